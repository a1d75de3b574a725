package main

import (
	"fmt"
	"io"
	"time"

	"github.com/sirupsen/logrus"
)

// newLogger returns the agent's logger. Text has no colours and full times:
// it is read in a journal.
func newLogger(w io.Writer, level, format string) (*logrus.Logger, error) {
	log := logrus.New()
	log.SetOutput(w)
	lvl, err := logrus.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	log.SetLevel(lvl)
	switch format {
	case "json":
		log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	case "text":
		log.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true, TimestampFormat: time.RFC3339})
	default:
		return nil, fmt.Errorf("log format %q: use text or json", format)
	}
	return log, nil
}
