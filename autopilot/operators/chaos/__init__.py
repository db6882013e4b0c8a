"""Chaos: experiments that inject faults through the mesh, watch, restore and report."""
