"""The same outer gradients in other frameworks, each as fast as we could make it."""
