/** The daemon's sentences for people, where `backticks` mark what is typed into a terminal. All else is plain text. */

export function prose(element, sentence) {
  const parts = sentence.split(/`([^`]*)`/u);
  element.replaceChildren(...parts.map((part, index) => (index % 2 ? code(part) : part)));
}

function code(text) {
  const element = document.createElement("code");
  element.textContent = text;
  return element;
}
