package site

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
)

var (
	//go:embed assets
	assetFiles embed.FS
	//go:embed icons
	iconFiles embed.FS
)

// AssetsPath is where ServeAsset answers: style, script and icons of all pages.
const AssetsPath = "/settings-assets/"

// assetHashes are a part of the addresses, so that browsers keep what they have
// and ask for what has changed.
var assetHashes = hashAssets()

func hashAssets() map[string]string {
	hashes := map[string]string{}
	_ = fs.WalkDir(assetFiles, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := assetFiles.ReadFile(name)
		sum := sha256.Sum256(content)
		hashes[path.Base(name)] = hex.EncodeToString(sum[:6])
		return err
	})
	return hashes
}

func assetURL(prefix, name string) string {
	return prefix + AssetsPath + name + "?" + assetHashes[name]
}

// ServeAsset answers with the file that the request's path value "file" names.
func ServeAsset(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery == assetHashes[r.PathValue("file")] && r.URL.RawQuery != "" {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, assetFiles, path.Join("assets", path.Base(r.PathValue("file"))))
}

// icon is a channel's picture, or a general one for a channel without.
func icon(channel string) template.HTML {
	for _, name := range [...]string{channel, "channel"} {
		if picture, err := iconFiles.ReadFile(path.Join("icons", path.Base(name)+".svg")); err == nil {
			return template.HTML(picture) //nolint:gosec // a file of ours
		}
	}
	return ""
}
