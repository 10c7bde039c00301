package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

// result is the output of a limit.
type result struct {
	Seconds float64 `json:"seconds"`
	// Samples are the seconds of each turn, where turns are timed.
	Samples []float64 `json:"samples,omitempty"`
}

func main() {
	n := flag.Int("n", 1, "how often, or how many")
	parallel := flag.Int("parallel", 1, "how many at once")
	rate := flag.Int("rate", 1000, "lines a second")
	url := flag.String("url", "", "the Postgres to commit to")
	out := flag.String("out", "", "the file to write to")
	flag.Parse()
	if flag.NArg() < 1 {
		fmt.Fprintln(os.Stderr, "limit [flags] fork|chain|lines|emit …")
		os.Exit(2)
	}
	args := flag.Args()[1:]
	var res result
	var err error
	began := time.Now()
	switch flag.Arg(0) {
	case "fork":
		err = fork(*n, *parallel, args)
	case "chain":
		res.Samples, err = chain(*url, *n, args)
	case "lines":
		err = lines(*parallel, *out, args)
	case "emit":
		if err := emit(*n, *rate); err != nil {
			fmt.Fprintln(os.Stderr, "limit:", err)
			os.Exit(1)
		}
		return
	default:
		err = fmt.Errorf("no limit %q", flag.Arg(0))
	}
	res.Seconds = time.Since(began).Seconds()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(res)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "limit:", err)
		os.Exit(1)
	}
}
