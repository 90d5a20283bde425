"""What goes over the wire and what it means: values in, values out, no input or output."""
