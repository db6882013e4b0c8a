"""Actions on a mesh, and one package per mesh that carries them out."""
