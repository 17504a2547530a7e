"""Eyes on ONNX Runtime: the detector and the reader, each behind its port."""
