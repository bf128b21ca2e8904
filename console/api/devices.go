package api

import (
	"context"
	"net/http"

	"tocsin/console/targets"
)

// registerDevices makes the calls about devices, which a user has several of.
func (a *API) registerDevices() {
	const path, topic = "/v1/users/{user}/devices", "Devices"
	for _, offered := range a.Channels.Offered {
		if spec := offered.Spec; spec.Many {
			a.registerDevicesOf(path, topic, offered)
			return // there is one such channel
		}
	}
}

func (a *API) registerDevicesOf(path, topic string, offered targets.Offered) {
	spec := offered.Spec
	type deviceID struct {
		ID string `json:"id" doc:"Names the device from now on."`
	}
	type added struct{ Body deviceID }
	type add struct {
		UserPath
		Body map[string]any
	}
	register(a, operation{
		id: "post-device", method: http.MethodPost, path: path, tag: topic, summary: "Add a device",
		more: "The same device again is the same entry, with what is said of it now; it is switched on.",
		body: bodyOf(spec), errors: []int{http.StatusConflict},
	}, func(ctx context.Context, in *add) (*added, error) {
		saved, err := a.Channels.Save(ctx, in.User, spec.Name, in.Body, "")
		return &added{deviceID{saved.ID}}, err
	})
	type deviceList struct {
		Devices []targets.Target `json:"devices" nullable:"false"`
	}
	type listAnswer struct{ Body deviceList }
	register(a, operation{
		id: "list-devices", method: http.MethodGet, path: path, tag: topic, summary: "List a user's devices",
		more: "With when a push last reached Apple for each.",
	}, func(ctx context.Context, in *UserPath) (*listAnswer, error) {
		view, err := a.Channels.Get(ctx, in.User, spec.Name)
		return &listAnswer{deviceList{view.Targets}}, err
	})
	type device struct {
		UserPath
		Device string `path:"device" pattern:"^[A-Za-z0-9_-]{1,64}$" patternDescription:"1 to 64 letters, digits, hyphens and underscores" doc:"The device's id, as listed."`
	}
	register(a, operation{
		id: "delete-device", method: http.MethodDelete, path: path + "/{device}", tag: topic, summary: "Remove a device",
	}, func(ctx context.Context, in *device) (*none, error) {
		return &none{}, a.Channels.Delete(ctx, in.User, spec.Name, in.Device)
	})
}
