from conftest_mesh import api, box, client, envoy

__all__ = ["api", "box", "client", "envoy"]
