package schema

import (
	"cmp"
	"encoding/json"
	"strings"
)

// Resource is a key of what the event is about, for threading and collapsing:
// equal for events of one resource, such as server.stopped and server.backon.
// It is the Subject or, without one, what the platform would name so:
// "stack/<uid>", "server/<uid>", "job/<uid>", "process/<server uid>/<name>",
// "app/<id>". An event that does not tell its resource gets a key that no other
// event has. The key is bounded neither in length nor in characters; hash it
// where either matters.
func (e Event) Resource() string {
	if e.Subject != "" {
		return e.Subject
	}
	group, _, _ := strings.Cut(e.Type, ".")
	if id := resourceID(group, readFields(e.Data)); id != "" {
		return group + "/" + id
	}
	return "event/" + e.Source + "/" + e.ID
}

func resourceID(group string, data fields) string {
	switch group {
	case "server":
		// The record of an agent names its server; a server's own does not.
		return cmp.Or(data.server(), data.text("uid"))
	case "process":
		name := data.text("process_name")
		if server := data.server(); server != "" && name != "" {
			return server + "/" + name
		}
		return name
	case "app":
		return data.text("app")
	}
	return data.text("uid")
}

// fields reads the few fields of a resource that we need, whatever the rest of
// it looks like.
type fields map[string]json.RawMessage

// readFields of anything but an object yields none.
func readFields(object []byte) fields {
	var f fields
	if json.Unmarshal(object, &f) != nil {
		return nil
	}
	return f
}

// text is the field's value, or "" if it is absent or no string.
func (f fields) text(name string) string {
	var s string
	if json.Unmarshal(f[name], &s) != nil {
		return ""
	}
	return s
}

// server is the uid of the field of that name, which some payloads have as a
// string and others as an object.
func (f fields) server() string {
	return cmp.Or(f.text("server"), readFields(f["server"]).text("uid"))
}
