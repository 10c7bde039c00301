package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// headline is the message in one line, such as "shop#42 failed".
func headline(m Message) string {
	if m.Run == nil {
		return "Test message of " + m.Pipeline
	}
	name := fmt.Sprintf("%s#%d", m.Pipeline, m.Run.Number)
	switch {
	case m.Event == hodei.NotifyBlocked:
		return name + " waits for an approval: " + m.Job
	case m.Event == hodei.NotifyCancelled:
		return name + " was cancelled"
	case m.Event == hodei.NotifyFailed && m.Run.Status == hodei.RunTimedOut:
		return name + " timed out"
	}
	return name + " " + string(m.Event)
}

// details returns lines about the run.
func details(m Message) (lines []string) {
	if m.Run == nil {
		return []string{"The target of this message works."}
	}
	add := func(label, text string) {
		if text != "" {
			lines = append(lines, label+": "+text)
		}
	}
	add("Why", m.Why)
	add("Approval", m.Message)
	by := string(m.Run.Trigger.Kind)
	if m.Run.Trigger.By != nil {
		by += " by " + *m.Run.Trigger.By
	}
	add("Started by", by)
	if m.Run.Ref != nil {
		add("Ref", *m.Run.Ref)
	}
	if m.Run.Commit != nil {
		add("Commit", *m.Run.Commit)
	}
	if m.Run.DurationSeconds != nil {
		took := time.Duration(*m.Run.DurationSeconds * float64(time.Second))
		if took > time.Second {
			took = took.Round(time.Second)
		}
		add("Took", took.Round(time.Millisecond).String())
	}
	if m.Run.Warnings > 0 {
		add("Warnings", fmt.Sprint(m.Run.Warnings))
	}
	return lines
}

// slackText escapes the reserved characters of Slack's text format.
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slack returns the body for an incoming webhook of Slack.
func slack(m Message) ([]byte, error) {
	text := slackText.Replace(headline(m))
	if m.URL != "" {
		text = "<" + m.URL + "|" + text + ">"
	}
	for _, line := range details(m) {
		text += "\n" + slackText.Replace(line)
	}
	return hodei.JSON(map[string]string{"text": text})
}
