// Loads a compose file as Docker Compose does, by its schema and its consistency checks, and prints the project with all
// defaults, as `docker compose config --format json` would: main FILE.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: compose FILE"))
	}
	options, err := cli.NewProjectOptions(os.Args[1:])
	if err != nil {
		fail(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		fail(err)
	}
	text, err := project.MarshalJSON()
	if err != nil {
		fail(err)
	}
	fmt.Printf("%s\n", text)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
