/**
 * Past pictures, newest first, each with its prompt. One stop for the Tab key; the arrow keys go along it. Older ones
 * are fetched as its end comes into view. It does not show a picture large: see viewer.js.
 */

const PAGE = 24;
/** Pictures that the daemon could not store live in this page's memory alone. */
const MOST_UNSTORED = 20;

export class Strip {
  #list;
  #onOpen;
  #onTrouble;
  #end;
  #exhausted = false;
  #loading = false;
  items = [];

  constructor(list, { onOpen, onTrouble }) {
    this.#list = list;
    this.#onOpen = onOpen;
    this.#onTrouble = onTrouble;
    this.#end = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.#older(), {
      root: list,
    });
    list.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Id of the newest stored picture. */
  get newest() {
    return this.items.find((item) => item.id !== null)?.id;
  }

  /** A rank above all pictures here and below the next stored one, for a picture that has no id. */
  top() {
    return (this.items.length ? rank(this.items[0]) : 0) + 1e-4;
  }

  /** Merge pictures in any order; those already here are left as they are. */
  add(pictures) {
    const known = new Set(this.items.map((item) => item.sha256 + item.id));
    const fresh = pictures.filter((item) => !known.has(item.sha256 + item.id));
    if (!fresh.length) return;
    this.items = [...fresh, ...this.items].sort((one, other) => rank(other) - rank(one));
    this.#forget();
    this.#draw();
  }

  /** Mark the picture that is on the wall. */
  mark(item) {
    for (const [index, node] of [...this.#list.children].entries()) {
      if (this.items[index] === item || (item.id && this.items[index].id === item.id))
        node.firstChild.setAttribute("aria-current", "true");
      else node.firstChild.removeAttribute("aria-current");
    }
  }

  focus(item) {
    this.#list.children[this.items.indexOf(item)]?.firstChild.focus();
  }

  #draw() {
    const nodes = new Map([...this.#list.children].map((node) => [node.dataset.key, node]));
    this.#list.replaceChildren(...this.items.map((item) => nodes.get(key(item)) ?? this.#node(item)));
    this.#list.parentElement.hidden = !this.items.length;
    const buttons = this.#buttons();
    if (!buttons.some((button) => button.tabIndex === 0)) buttons[0]?.setAttribute("tabindex", "0");
    this.#end.disconnect();
    if (!this.#exhausted && this.#list.lastChild) this.#end.observe(this.#list.lastChild);
  }

  #node(item) {
    const node = document.createElement("li");
    node.dataset.key = key(item);
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = -1;
    button.setAttribute("aria-label", `Open: ${item.prompt}`);
    const image = new Image();
    Object.assign(image, { alt: "", loading: "lazy", decoding: "async", draggable: false, src: item.url });
    // a picture that retention has deleted is no longer there to open
    image.addEventListener("error", () => this.#remove(item));
    const prompt = document.createElement("span");
    prompt.textContent = item.prompt;
    button.append(image, prompt);
    button.addEventListener("click", () => this.#onOpen(item));
    node.append(button);
    return node;
  }

  #remove(item) {
    this.items = this.items.filter((other) => other !== item);
    this.#draw();
  }

  #forget() {
    for (const item of this.items.filter((other) => other.id === null).slice(MOST_UNSTORED)) {
      URL.revokeObjectURL(item.url);
      this.items = this.items.filter((other) => other !== item);
    }
  }

  async #older() {
    const oldest = this.items.findLast((item) => item.id !== null);
    if (this.#loading || this.#exhausted || !oldest) return;
    this.#loading = true;
    try {
      const answer = await fetch(`v1/pictures?limit=${PAGE}&before=${oldest.id}`);
      if (!answer.ok) throw new Error(`the daemon answered ${answer.status}`);
      const { pictures } = await answer.json();
      this.#exhausted = pictures.length < PAGE;
      this.add(pictures);
    } catch (error) {
      this.#onTrouble(`Older pictures could not be fetched (${error.message}); they are tried again as you scroll.`);
    } finally {
      this.#loading = false;
    }
  }

  #key(event) {
    const buttons = this.#buttons();
    const here = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (here < 0 || to === undefined || !buttons[to]) return;
    event.preventDefault();
    buttons[here].tabIndex = -1;
    buttons[to].tabIndex = 0;
    buttons[to].focus();
  }

  #buttons() {
    return [...this.#list.querySelectorAll("button")];
  }
}

const key = (item) => `${item.id}:${item.sha256}`;
const rank = (item) => item.id ?? item.rank;
