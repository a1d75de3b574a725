package dockertest

import (
	"maps"
	"net/http"
	"strings"

	"github.com/docker/docker/api/types/events"
)

func (e *Engine) handlePull(c *call) error {
	ref := c.query("fromImage")
	if tag := c.query("tag"); strings.Contains(tag, ":") {
		ref += "@" + tag
	} else if tag != "" {
		ref += ":" + tag
	}
	full, err := canonical(ref)
	if err != nil {
		return invalid("%s", err)
	}
	e.mu.Lock()
	e.registry.pulls++
	fault := e.registry.fault(full, true)
	e.mu.Unlock()
	if err := c.wait(e.timing.Registry); err != nil {
		return err
	}
	e.mu.Lock()
	image, err := e.registry.ask(full, fault)
	e.mu.Unlock()
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	return e.pull(c, full, image, fault)
}

// pull downloads layer by layer, unless the image is there. A client that
// leaves ends it, with nothing kept.
func (e *Engine) pull(c *call, full string, image Image, fault RegistryFault) error {
	name, tag := splitRef(full)
	c.line(progress{Status: "Pulling from " + name, ID: tag})
	e.mu.Lock()
	made := e.fromDeclared(image)
	had := e.images[made.id] != nil
	e.mu.Unlock()
	if !had {
		if done, err := e.download(c, image, fault); !done {
			return err
		}
	}
	c.line(progress{Status: "Digest: " + image.Digest()})
	e.mu.Lock()
	e.keep(made)
	same := e.refs[full] == made.id
	e.refs[full] = made.id
	e.refs[repository(full)+"@"+image.Digest()] = made.id
	e.emitPull(full, made)
	e.mu.Unlock()
	status := "Status: Downloaded newer image for "
	if had && same {
		status = "Status: Image is up to date for "
	}
	c.line(progress{Status: status + familiar(full)})
	return nil
}

// download tells the progress of the layers. done is false if it failed, which
// the stream has told already.
func (e *Engine) download(c *call, image Image, fault RegistryFault) (done bool, err error) {
	ids, sizes := image.layerIDs(), image.sizes()
	for _, id := range ids {
		c.line(progress{Status: "Pulling fs layer", ID: short(id)})
	}
	const steps = 4
	for n, id := range ids {
		for step := int64(1); step <= steps; step++ {
			if err := c.wait(fault.Layer / steps); err != nil {
				return false, err
			}
			if fault.Kind == Truncated && n == len(ids)-1 && step == 2 {
				c.line(inStream("unexpected EOF"))
				return false, nil
			}
			c.line(progress{Status: "Downloading", ID: short(id), Detail: &progressDetail{sizes[n] * step / steps, sizes[n]}})
			if fault.Stall {
				return false, c.wait(1 << 62)
			}
		}
		c.line(progress{Status: "Download complete", ID: short(id), Detail: &progressDetail{}})
		c.line(progress{Status: "Pull complete", ID: short(id), Detail: &progressDetail{}})
	}
	return true, nil
}

// emitPull tells the pull under the reference, not the id; the caller holds mu.
func (e *Engine) emitPull(full string, i *img) {
	attrs := map[string]string{}
	maps.Copy(attrs, i.config.Labels)
	attrs["name"] = familiar(repository(full))
	e.emit(events.ImageEventType, events.ActionPull, familiar(full), attrs)
}

func splitRef(full string) (name, tag string) {
	return inHost(full), strings.TrimLeft(strings.TrimPrefix(full, repository(full)), ":@")
}
