"""Pictures of what the method sees and says: marks on frames, masks as colour, panels, charts."""
