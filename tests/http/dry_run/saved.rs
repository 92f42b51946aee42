//! What the report says would have been saved is what the layer saves.
