"""Adapters to other libraries, each a module of its own that is imported only on use.

``nufftlib.interop.torch``, ``jax``, ``scipy``, ``pylops``, ``deepinv``, ``mrinufft``, ``sigpy`` and
``dask``.
"""
