"""An answer made from a context: canvases denoised one behind the other, with pins and templates."""
