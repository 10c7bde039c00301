package schemas

// ChunkBytes is the most bytes that one message of a transfer carries.
const ChunkBytes = 512 << 10

// Attached is embedded by a request or a reply that carries bytes beside its JSON: they
// follow the JSON in the same message, whose HeaderAttached has their number. Unlike a
// field with base64 they are not copied, checked and decoded on the way.
type Attached struct {
	Data []byte `json:"-"`
}

// Attachment is the bytes that follow the JSON.
func (a Attached) Attachment() []byte { return a.Data }

// Attach sets the bytes that followed the JSON.
func (a *Attached) Attach(data []byte) { a.Data = data }
