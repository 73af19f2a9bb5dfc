"""Raw files as a field team brings them: rasters, features, tables and point clouds, laid on a scene's base grid."""
