package rpc

// Named is for a test of a race that cannot be caused from outside.
var Named = named
