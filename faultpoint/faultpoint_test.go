package faultpoint_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program that is built as users build it cannot be told to die.
func TestOnlyTheSuiteHasThePoints(t *testing.T) {
	t.Parallel()
	for tags, want := range map[string]string{"": "[faultpoint.go off.go]", "chaos": "[faultpoint.go on.go]"} {
		files, err := exec.CommandContext(t.Context(), "go", "list", "-tags", tags, "-f", "{{.GoFiles}}", ".").Output()
		require.NoError(t, err)
		require.Equal(t, want+"\n", string(files))
	}
}
