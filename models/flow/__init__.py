"""Optical flow estimators behind one interface: DIS, RAFT, FlowNet2."""
