"""The pages for operators in the admin: one module for each, read from the mesh in the server's event loop."""
