package schemas

// ChunkBytes is the largest number of bytes in one message of a transfer.
const ChunkBytes = 512 << 10

// Attached is embedded in a request or a reply that carries bytes besides its JSON. The bytes
// follow the JSON in the same message; HeaderAttached has their number. Unlike a field in
// base64, they are not copied, checked and decoded on the way.
type Attached struct {
	Data []byte `json:"-"`
}

// Attachment returns the bytes that follow the JSON.
func (a Attached) Attachment() []byte { return a.Data }

// Attach sets the bytes that follow the JSON.
func (a *Attached) Attach(data []byte) { a.Data = data }
