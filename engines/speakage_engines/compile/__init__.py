"""From a torch module to something fast: one ONNX export, engine keys, the engine store, and the backends."""
