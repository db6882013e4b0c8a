from conftest_mesh import box, client, envoy

__all__ = ["box", "client", "envoy"]
