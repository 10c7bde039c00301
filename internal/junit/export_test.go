package junit

// ReadAtMost is Read with a limit in bytes.
var ReadAtMost = read
