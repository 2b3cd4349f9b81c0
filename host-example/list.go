package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// pageSize is how many credentials are asked for at a time.
const pageSize = 100

// maxPages bounds a listing, as the contract does: a million credentials.
const maxPages = 10_000

func (c *cli) listCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "list",
		Short: "List credential ids",
		Long:  "List the ids of all credentials that the provider finds, sorted, one a line.",
		Example: `  host-example list
  host-example list --output json`,
		Args: cobra.NoArgs,
	}
	c.outputFlag(command)
	c.attachFlag(command)
	command.RunE = c.traced("list", func(ctx context.Context, _ []string) error {
		o, err := c.open(ctx)
		if err != nil {
			return err
		}
		defer o.close()
		ids, err := listAll(ctx, o.source)
		if err != nil {
			return err
		}
		if c.output == jsonFormat {
			c.writeJSON(map[string]any{"credentials": ids})
			return nil
		}
		for _, id := range ids {
			c.out.WriteString(oneLine(id) + "\n")
		}
		if len(ids) == 0 {
			_, _ = fmt.Fprintln(c.stderr, "no credentials found")
		}
		return nil
	})
	return command
}

// listAll reads every page. Pages come in no order, and a credential that changes in the meantime may be on two of them.
func listAll(ctx context.Context, provider observe.Provider) ([]string, error) {
	ids, seen := []string{}, map[string]bool{}
	endless := func(how string) error {
		return credential.Errorf(credential.ProviderMisbehaved, "the provider's listing doesn't end: %s", how).
			WithHelp("report this to the provider's author")
	}
	for token := ""; ; {
		page, err := provider.List(ctx, pageSize, token)
		if err != nil {
			return nil, err
		}
		for _, summary := range page.Credentials {
			ids = append(ids, summary.ID)
		}
		if page.NextToken == "" {
			slices.Sort(ids)
			return slices.Compact(ids), nil
		}
		token = page.NextToken
		if seen[token] {
			return nil, endless("it gives the same page again")
		}
		if seen[token] = true; len(seen) == maxPages {
			return nil, endless(fmt.Sprintf("it has more than %d pages", maxPages))
		}
	}
}
