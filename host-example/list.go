package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/host-example/access"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// pageSize is how many credentials are asked for at a time.
const pageSize = 100

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
		w, err := c.launch(ctx)
		if err != nil {
			return err
		}
		defer w.close()
		ids, err := listAll(ctx, w.source)
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

// listAll reads every page. Pages come in no order, and a credential that changes meanwhile may be on two of them.
func listAll(ctx context.Context, provider access.Provider) ([]string, error) {
	ids := []string{}
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
		if page.NextToken == token {
			return nil, credential.Errorf(credential.ProviderMisbehaved, "the provider's listing doesn't end: it gives the same page again")
		}
		token = page.NextToken
	}
}
