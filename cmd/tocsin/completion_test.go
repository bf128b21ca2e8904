package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCompletionKnowsWhatCanComeNext(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"de":                              "dev dead",
		"wo":                              "worker",
		"dead ":                           "ls show stats replay discard",
		"dead re":                         "replay",
		"publish stack.redeploy.h":        "stack.redeploy.hook.fail",
		"publish --account acme server.":  "server.stopped server.backon",
		"publish --sample server.":        "server.stopped server.backon",
		"publish -o json server.":         "server.stopped server.backon",
		"publish --account=acme server.":  "server.stopped server.backon",
		"dead ls --channel w":             "webhook",
		"dead ls --channel = w":           "webhook",
		"dead ls --cause e":               "exhausted",
		"dead ls --type job.":             "job.fail job.backon",
		"worker --log-f":                  "--log-format",
		"worker --log-format ":            "json console",
		"worker --channels ho":            "",
		"completion f":                    "fish",
		"dead show 1 ":                    "",
		"publish stack.redeploy.ok --lin": "--link",
		"nonsense --what ever ":           "",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			got := must(t, "", append([]string{"complete", "--"}, strings.Split(line, " ")...)...)
			require.Equal(t, want, strings.Join(strings.Fields(got), " "))
		})
	}
}

func TestBashTakesTheScript(t *testing.T) {
	t.Parallel()
	program, err := program()
	require.NoError(t, err)
	script := must(t, "", "completion", "bash") + `
COMP_WORDS=("$0" dead "re"); COMP_CWORD=2; _tocsin; printf '%s\n' "${COMPREPLY[@]}"
COMP_WORDS=("$0" publish "stack.redeploy."); COMP_CWORD=2; _tocsin; printf '%s\n' "${COMPREPLY[@]}"
complete -p tocsin`
	out, err := exec.CommandContext(t.Context(), "bash", "-c", script, program).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "replay\nstack.redeploy.ok\nstack.redeploy.fail\nstack.redeploy.hook.fail\ncomplete -o default -F _tocsin tocsin\n", string(out))
}
