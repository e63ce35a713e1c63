// verify reads a log over HTTP and checks all of it with the packages of the Go project:
// golang.org/x/mod/sumdb/tlog and golang.org/x/mod/sumdb/note.
//
//	verify [-since FILE] [-save FILE] URL
//
// It opens the checkpoint with the keys of /v1/policy; reads every bundle of entries and computes
// every tile and the root from them; compares each tile that is served, byte for byte; lets the
// library prove and check the inclusion of records; and checks that the log of an earlier checkpoint
// (-since) is a prefix of this one. -save writes the checkpoint for the next time.
//
// Exit code 0: all is well. 1: the log is not what it claims to be. 2: it could not be read.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Tiles have 2^8 hashes, and bundles as many entries.
const height = 8

// No answer of a node is longer: a bundle of 256 entries of 65,535 bytes.
const bodyBytesMax = 256*(65535+2) + 1

// errBad is a log that is not what it claims to be.
var errBad = errors.New("BAD")

func bad(format string, arguments ...any) error {
	return fmt.Errorf("%w: %s", errBad, fmt.Sprintf(format, arguments...))
}

func main() {
	since := flag.String("since", "", "an earlier checkpoint")
	save := flag.String("save", "", "where to write the checkpoint")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: verify [-since FILE] [-save FILE] URL")
		os.Exit(2)
	}
	log := &log{
		url:    strings.TrimSuffix(flag.Arg(0), "/"),
		client: &http.Client{Timeout: 20 * time.Second},
	}
	text, err := log.run(*since, *save)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, errBad) {
			os.Exit(1)
		}
		os.Exit(2)
	}
	fmt.Println(text)
}

// log is a log that is served over HTTP.
type log struct {
	url    string
	client *http.Client
	tree   tlog.Tree
}

func (l *log) run(since, save string) (string, error) {
	verifiers, err := l.policy()
	if err != nil {
		return "", err
	}
	signed, err := l.get("/checkpoint")
	if err != nil {
		return "", err
	}
	if l.tree, err = open(signed, verifiers); err != nil {
		return "", err
	}
	computed, entries, err := l.compute()
	if err != nil {
		return "", err
	}
	tiles, err := l.compareTiles(computed)
	if err != nil {
		return "", err
	}
	// From here on hashes come from the tiles as they are served; the library authenticates them.
	reader := tlog.TileHashReader(l.tree, (*served)(l))
	records, err := l.proveRecords(reader, entries)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%d entries, %d tiles, %d inclusions", l.tree.N, tiles, records)
	if since != "" {
		older, err := l.proveGrowth(reader, since, verifiers)
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf(", grown from %d", older)
	}
	if save != "" {
		if err := os.WriteFile(save, signed, 0o644); err != nil {
			return "", err
		}
	}
	return text, nil
}

// get reads a route.
func (l *log) get(path string) ([]byte, error) {
	data, status, err := l.fetch(path)
	if err == nil && status != http.StatusOK {
		err = bad("%s is answered with status %d", path, status)
	}
	return data, err
}

func (l *log) fetch(path string) ([]byte, int, error) {
	response, err := l.client.Get(l.url + path)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, bodyBytesMax))
	return data, response.StatusCode, err
}

// policy reads the keys with which the members' nodes sign.
func (l *log) policy() (note.Verifiers, error) {
	text, err := l.get("/v1/policy")
	if err != nil {
		return nil, err
	}
	var list []note.Verifier
	for _, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "log" {
			continue
		}
		verifier, err := note.NewVerifier(words[1])
		if err != nil {
			return nil, bad("the key %q of the policy: %v", words[1], err)
		}
		list = append(list, verifier)
	}
	return note.VerifierList(list...), nil
}

// open checks who signed a checkpoint, and reads it.
func open(signed []byte, verifiers note.Verifiers) (tlog.Tree, error) {
	var tree tlog.Tree
	opened, err := note.Open(signed, verifiers)
	if err != nil {
		return tree, bad("the checkpoint: %v", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != opened.Sigs[0].Name {
		return tree, bad("the checkpoint is not three lines of the log that signed it")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tree, bad("the size of the checkpoint is %q", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tree, bad("the root of the checkpoint is %q", lines[2])
	}
	tree.N = size
	copy(tree.Hash[:], root)
	return tree, nil
}

// hashes are all those of a tree, in the order in which the library stores them.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	read := make([]tlog.Hash, 0, len(indexes))
	for _, index := range indexes {
		if index >= int64(len(h)) {
			return nil, fmt.Errorf("there is no hash %d", index)
		}
		read = append(read, h[index])
	}
	return read, nil
}

// compute reads all entries, and makes the tree from them alone.
func (l *log) compute() (hashes, [][]byte, error) {
	var computed hashes
	var entries [][]byte
	for number := int64(0); number<<height < l.tree.N; number++ {
		width := l.tree.N - number<<height
		if width > 1<<height {
			width = 1 << height
		}
		bundle, err := l.bundle(number, int(width))
		if err != nil {
			return nil, nil, err
		}
		for _, entry := range bundle {
			stored, err := tlog.StoredHashes(int64(len(entries)), entry, computed)
			if err != nil {
				return nil, nil, err
			}
			computed = append(computed, stored...)
			entries = append(entries, entry)
		}
	}
	root, err := tlog.TreeHash(l.tree.N, computed)
	if err != nil {
		return nil, nil, err
	}
	if root != l.tree.Hash {
		return nil, nil, bad("the entries make root %v, the checkpoint says %v", root, l.tree.Hash)
	}
	return computed, entries, nil
}

// bundle reads the entries of one level-0 tile.
func (l *log) bundle(number int64, width int) ([][]byte, error) {
	tile := tlog.Tile{H: height, L: -1, N: number, W: width}
	data, err := l.file(tile)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(entries) < width {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, bad("%s ends within an entry", path(tile))
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	if len(data) != 0 && len(entries) == 1<<height {
		return nil, bad("%s has bytes behind its entries", path(tile))
	}
	return entries, nil
}

// path is where a tile is served: the library writes the height into it, tlog-tiles does not, and
// calls entries what the library calls data.
func path(tile tlog.Tile) string {
	text := strings.TrimPrefix(tile.Path(), "tile/8/")
	if rest := strings.TrimPrefix(text, "data/"); rest != text {
		text = "entries/" + rest
	}
	return "/tile/" + text
}

// file reads a tile or bundle. A partial one may be gone once the full one is there.
func (l *log) file(tile tlog.Tile) ([]byte, error) {
	data, status, err := l.fetch(path(tile))
	if err == nil && status == http.StatusNotFound && tile.W < 1<<height {
		tile.W = 1 << height
		data, status, err = l.fetch(path(tile))
	}
	if err == nil && status != http.StatusOK {
		err = bad("%s is answered with status %d", path(tile), status)
	}
	return data, err
}

// compareTiles holds each tile that is served against what the entries make of it.
func (l *log) compareTiles(computed hashes) (int, error) {
	// Of a partial tile the library lists every width that it has had; the last is the one to serve.
	count := 0
	tiles := tlog.NewTiles(height, 0, l.tree.N)
	for place, tile := range tiles {
		if next := place + 1; next < len(tiles) && tiles[next].L == tile.L && tiles[next].N == tile.N {
			continue
		}
		count++
		own, err := tlog.ReadTileData(tile, computed)
		if err != nil {
			return 0, err
		}
		data, err := l.file(tile)
		if err != nil {
			return 0, err
		}
		if len(data) < len(own) || !bytes.Equal(data[:len(own)], own) {
			return 0, bad("%s is not what its entries make", path(tile))
		}
	}
	return count, nil
}

// proveRecords checks the inclusion of records all over the log.
func (l *log) proveRecords(reader tlog.HashReader, entries [][]byte) (int, error) {
	step := l.tree.N/16 + 1
	count := 0
	check := func(number int64) error {
		proof, err := tlog.ProveRecord(l.tree.N, number, reader)
		if err != nil {
			return bad("inclusion of entry %d: %v", number, err)
		}
		leaf := tlog.RecordHash(entries[number])
		if err := tlog.CheckRecord(proof, l.tree.N, l.tree.Hash, number, leaf); err != nil {
			return bad("inclusion of entry %d: %v", number, err)
		}
		count++
		return nil
	}
	for number := int64(0); number < l.tree.N; number += step {
		if err := check(number); err != nil {
			return 0, err
		}
	}
	if l.tree.N > 0 {
		return count, check(l.tree.N - 1)
	}
	return count, nil
}

// proveGrowth checks that the log of an earlier checkpoint is a prefix of this one.
func (l *log) proveGrowth(reader tlog.HashReader, since string, verifiers note.Verifiers) (int64, error) {
	signed, err := os.ReadFile(since)
	if err != nil {
		return 0, err
	}
	older, err := open(signed, verifiers)
	if err != nil {
		return 0, err
	}
	if older.N > l.tree.N {
		return 0, bad("the log had %d entries and has %d", older.N, l.tree.N)
	}
	if older.N == 0 {
		return 0, nil
	}
	proof, err := tlog.ProveTree(l.tree.N, older.N, reader)
	if err != nil {
		return 0, bad("growth from %d: %v", older.N, err)
	}
	if err := tlog.CheckTree(proof, l.tree.N, l.tree.Hash, older.N, older.Hash); err != nil {
		return 0, bad("growth from %d: %v", older.N, err)
	}
	return older.N, nil
}

// served reads tiles for the library.
type served log

func (*served) Height() int { return height }

func (s *served) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range tiles {
		data, err := (*log)(s).file(tile)
		if err != nil {
			return nil, err
		}
		if length := tile.W * tlog.HashSize; len(data) > length {
			data = data[:length]
		}
		read = append(read, data)
	}
	return read, nil
}

func (*served) SaveTiles([]tlog.Tile, [][]byte) {}
