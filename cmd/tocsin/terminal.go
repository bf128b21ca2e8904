package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// What commands write can come from strangers: publishers, and far ends that
// answer. On a terminal, control characters of theirs could move the cursor,
// hide text or answer for the person, and bidirectional ones reorder a line.
// So everything unprintable is written as Go would escape it.

// printable makes a line of any text.
func printable(text string) string {
	if !strings.ContainsFunc(text, unprintable) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case unprintable(r):
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			b.WriteRune(r)
		}
		text = text[size:]
	}
	return b.String()
}

// unprintable includes the replacement character, which bytes that are not
// UTF-8 read as.
func unprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// printableLines keeps the lines and tabs of a longer text.
func printableLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		content, ended := strings.CutSuffix(line, "\n")
		for i, cell := range strings.Split(content, "\t") {
			if i > 0 {
				b.WriteByte('\t')
			}
			b.WriteString(printable(cell))
		}
		if ended {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// clip is printable, cut to a number of characters.
func clip(text string, width int) string {
	runes := []rune(printable(text))
	if len(runes) <= width {
		return string(runes)
	}
	return string(runes[:width-1]) + "…"
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// confirmed asks, and takes everything but a yes for a no: also the end of
// input, and being told to stop.
func confirmed(ctx context.Context, std stdio, question string) bool {
	fmt.Fprintf(std.out, "%s [y/N] ", question)
	answered := make(chan string, 1)
	go func() { // a read cannot be called off; the process ends soon
		answer, _ := bufio.NewReader(std.in).ReadString('\n')
		answered <- strings.ToLower(strings.TrimSpace(answer))
	}()
	select {
	case answer := <-answered:
		return answer == "y" || answer == "yes"
	case <-ctx.Done():
		fmt.Fprintln(std.out)
		return false
	}
}

func writeJSON(w io.Writer, value any) error {
	text, err := encodeJSON(value, "")
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	return err
}

// encodeJSON is indented for people and, like all that they see, printable.
func encodeJSON(value any, prefix string) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent(prefix, "  ")
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return escapeJSON(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// escapeJSON escapes what encoding/json leaves as it is: beyond ASCII, and DEL.
// Such characters are in strings alone.
func escapeJSON(text []byte) []byte {
	escapable := func(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }
	if !bytes.ContainsFunc(text, escapable) {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		if !escapable(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.Bytes()
}

// jsonList writes a JSON array of values as they come.
type jsonList struct {
	w     io.Writer
	begun bool
}

func (l *jsonList) add(value any) error {
	text, err := encodeJSON(value, "  ")
	if err != nil {
		return err
	}
	before := ",\n  "
	if !l.begun {
		before, l.begun = "[\n  ", true
	}
	_, err = l.w.Write(append([]byte(before), text...))
	return err
}

func (l *jsonList) end() error {
	text := "\n]\n"
	if !l.begun {
		text = "[]\n"
	}
	_, err := io.WriteString(l.w, text)
	return err
}
