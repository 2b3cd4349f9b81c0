package conformance

import "slices"

// table holds all checks in the order in which they are made: first what others stand on, last what judges the whole run.
var table = slices.Concat(launchChecks, metadataChecks, configureChecks, settingsChecks, readChecks, batchChecks, listChecks, tokenChecks,
	versionChecks, idChecks, validateChecks, robustChecks, pressureChecks, backendChecks, endChecks, growthChecks, eventChecks,
	secrecyChecks, wholeRunChecks)
