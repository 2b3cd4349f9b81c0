package awscreds

import "time"

// timeLayouts are the spellings of a time with a zone that boto3 is known to be given: by AWS, by Python's isoformat and str,
// by date(1), and in HTTP's form.
var timeLayouts = func() (all []string) {
	for _, day := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "20060102T150405"} {
		for _, zone := range []string{"Z07:00", " Z07:00", "Z0700", " Z0700", "Z07", " UTC", "UTC", " GMT", "GMT"} {
			all = append(all, day+zone)
		}
	}
	return append(all, time.RFC1123, time.RFC1123Z, "Mon Jan _2 15:04:05 UTC 2006")
}()

// parseTime reads a time with a zone. A time without one is refused, as it is by boto3: it might be any of 26 hours.
func parseTime(text string) (time.Time, bool) {
	for _, layout := range timeLayouts {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if zone, _ := t.Zone(); layout == time.RFC1123 && zone != "GMT" && zone != "UTC" {
			continue // Go takes any three letters for a zone, and calls it UTC
		}
		return t.UTC(), true
	}
	return time.Time{}, false
}
