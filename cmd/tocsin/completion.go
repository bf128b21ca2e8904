package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"tocsin/schema"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help stands below the summary in --help.
func (c *completionCmd) Help() string {
	return `Where it goes:
  bash  source <(tocsin completion bash)      in ~/.bashrc
  zsh   source <(tocsin completion zsh)       in ~/.zshrc, after compinit
  fish  tocsin completion fish | source       in ~/.config/fish/config.fish`
}

func (c *completionCmd) Run(std stdio) error {
	_, err := fmt.Fprint(std.out, completionScripts()[c.Shell])
	return err
}

// completionScripts hand the words of the line, up to the one under the cursor,
// to 'tocsin complete', and fall back to the names of files.
func completionScripts() map[string]string {
	return map[string]string{
		"bash": `_tocsin() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _tocsin tocsin
`,
		"zsh": `_tocsin() {
  local -a found
  found=("${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _tocsin tocsin
`,
		"fish": `function __tocsin_complete
  set -l words (commandline -opc)
  set -l found (command $words[1] complete -- $words[2..] (commandline -ct) 2>/dev/null)
  if set -q found[1]; printf '%s\n' $found; else; __fish_complete_path (commandline -ct); end
end
complete -c tocsin -f -a '(__tocsin_complete)'
`,
	}
}

// completeCmd answers the shells: one candidate a line.
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

func (c *completeCmd) Run(kctx *kong.Context, std stdio) error { //nolint:unparam // kong asks for it
	words := slices.DeleteFunc(c.Words, func(word string) bool {
		return word == "--" || word == "=" // bash makes words of "--flag=value": --flag, = and value
	})
	if len(words) == 0 {
		words = []string{""}
	}
	last := len(words) - 1
	for _, candidate := range candidates(kctx.Model.Node, words[:last], words[last]) {
		if strings.HasPrefix(candidate, words[last]) {
			fmt.Fprintln(std.out, candidate)
		}
	}
	return nil
}

// candidates are what can stand after the words before.
func candidates(node *kong.Node, before []string, word string) []string {
	var open *kong.Flag // waits for its value
	positional := 0
	for _, w := range before {
		child := childNamed(node, w)
		switch {
		case open != nil:
			open = nil
		case strings.HasPrefix(w, "-"):
			open = flagOpenedBy(node, w)
		case child != nil:
			node, positional = child, 0
		default:
			positional++
		}
	}
	switch {
	case open != nil:
		return valuesOf(open.Value)
	case strings.HasPrefix(word, "-"):
		return flagNames(node)
	case positional < len(node.Positional):
		return valuesOf(node.Positional[positional])
	case positional > 0:
		return nil
	}
	return childNames(node)
}

func childNamed(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

func childNames(node *kong.Node) []string {
	var names []string
	for _, child := range node.Children {
		if !child.Hidden {
			names = append(names, child.Name)
		}
	}
	return names
}

// flagOpenedBy is the flag whose value the next word is.
func flagOpenedBy(node *kong.Node, word string) *kong.Flag {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			if (word == "--"+flag.Name || word == "-"+string(flag.Short)) && !flag.IsBool() {
				return flag
			}
		}
	}
	return nil
}

func flagNames(node *kong.Node) []string {
	var names []string
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			names = append(names, "--"+flag.Name)
		}
	}
	return names
}

// valuesOf is what a flag or argument can be, if that is known: a tag
// complete:"type" or complete:"channel" names the list, or its enum is the list.
func valuesOf(value *kong.Value) []string {
	var values []string
	switch value.Tag.Get("complete") {
	case "type":
		for _, t := range schema.Types() {
			values = append(values, t.Name)
		}
	case "channel":
		for _, spec := range specs() {
			values = append(values, spec.Name)
		}
	default:
		for choice := range strings.SplitSeq(value.Enum, ",") {
			if choice != "" {
				values = append(values, choice)
			}
		}
	}
	return values
}
