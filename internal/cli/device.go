package cli

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// A device is a registered device, or the synchronised object of one.
type device struct {
	ID                     string            `json:"id"`
	DeviceID               string            `json:"deviceId"`
	DisplayName            string            `json:"displayName"`
	OperatingSystem        string            `json:"operatingSystem"`
	OperatingSystemVersion string            `json:"operatingSystemVersion"`
	TrustType              string            `json:"trustType"`
	Enabled                bool              `json:"accountEnabled"`
	IsCompliant            *bool             `json:"isCompliant"`
	IsManaged              *bool             `json:"isManaged"`
	Registered             time.Time         `json:"registrationDateTime"`
	LastSignIn             time.Time         `json:"approximateLastSignInDateTime"`
	ProfileType            string            `json:"profileType"`
	SystemLabels           []string          `json:"systemLabels"`
	EnrollmentProfileName  string            `json:"enrollmentProfileName"`
	Ownership              string            `json:"deviceOwnership"`
	Manufacturer           string            `json:"manufacturer"`
	Model                  string            `json:"model"`
	MDMAppID               string            `json:"mdmAppId"`
	ExtensionAttributes    map[string]string `json:"extensionAttributes"`
	Edition                string            `json:"edition"`
	Method                 string            `json:"registrationMethod"`
	Fresh                  bool              `json:"freshCredentials"`
	KeyProtection          string            `json:"keyProtection"`
	Owner                  string            `json:"ownerId"`
}

func (a *app) deviceCommands() *cobra.Command {
	cmd := group("device", "Registered devices", "  boundgate device list\n  boundgate device set LAPTOP-7 --compliant true")
	cmd.AddCommand(a.deviceList(), a.deviceShow(), a.deviceSet(), a.deviceSwitch("enable", "Let a device prove sessions again", true),
		a.deviceSwitch("disable", "Keep a device from proving sessions; issuance to it ends at once", false), a.deviceDelete(), a.deviceCreate())
	return cmd
}

func (a *app) deviceList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List devices", Example: "  boundgate device list", Args: arguments(),
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			devices, err := list[device](ctx, c, "/devices")
			if err != nil {
				return err
			}
			t := table{header: []string{"DEVICE", "SYSTEM", "JOINED AS", "ENABLED", "COMPLIANT", "LAST SIGN-IN", "DEVICE ID"}}
			for _, d := range devices {
				t.add(d.DisplayName, strings.TrimSpace(d.OperatingSystem+" "+d.OperatingSystemVersion), d.TrustType, yesNo(d.Enabled),
					threeValued(d.IsCompliant), stamp(d.LastSignIn), d.DeviceID)
			}
			return a.show(devices, t)
		}),
	}
}

// findDevice reads a device by device id, object id or display name.
func findDevice(ctx context.Context, c *client, key string) (device, error) {
	filter := "displayName eq " + quoted(key)
	if isGUID(key) {
		filter = "deviceId eq " + quoted(key)
	}
	found, err := list[device](ctx, c, filtered("/devices", filter))
	if err != nil {
		return device{}, err
	}
	if len(found) == 0 && isGUID(key) {
		var d device
		return d, c.get(ctx, path("devices", key), &d)
	}
	switch len(found) {
	case 0:
		return device{}, failure("run \"boundgate device list\"", "there is no device named %q", key)
	case 1:
		return found[0], nil
	}
	return device{}, failure("name it by its device id", "%d devices are named %q", len(found), key)
}

func (a *app) deviceShow() *cobra.Command {
	return &cobra.Command{
		Use: "show DEVICE", Short: "Show a device", Example: "  boundgate device show LAPTOP-7", Args: arguments("DEVICE"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			d, err := findDevice(ctx, c, args[0])
			if err != nil {
				return err
			}
			pairs := []string{"Device", d.DisplayName, "Device id", d.DeviceID, "Object id", d.ID, "Owner", d.Owner,
				"System", strings.TrimSpace(d.OperatingSystem + " " + d.OperatingSystemVersion), "Edition", d.Edition,
				"Joined as", d.TrustType, "Enabled", yesNo(d.Enabled), "Registered", stamp(d.Registered),
				"Registration method", d.Method, "Fresh sign-in", yesNo(d.Fresh), "Keys", d.KeyProtection,
				"Last sign-in", stamp(d.LastSignIn), "Compliant", threeValued(d.IsCompliant), "Managed", threeValued(d.IsManaged),
				"Ownership", d.Ownership, "Profile type", d.ProfileType, "System labels", strings.Join(d.SystemLabels, ", "),
				"Enrolment profile", d.EnrollmentProfileName, "Manufacturer", d.Manufacturer, "Model", d.Model, "MDM app", d.MDMAppID}
			for n := 1; n <= 15; n++ {
				name := fmt.Sprintf("extensionAttribute%d", n)
				if v := d.ExtensionAttributes[name]; v != "" {
					pairs = append(pairs, name, v)
				}
			}
			return a.fields(d, pairs...)
		}),
	}
}

func (a *app) deviceSet() *cobra.Command {
	cmd := &cobra.Command{
		Use: "set DEVICE", Short: "Set what an administrator decides about a device", Args: arguments("DEVICE"),
		Long: `Set what an administrator decides about a device. What the device says of itself, how it joined, who owns it and its
keys cannot be set.`,
		Example: `  boundgate device set LAPTOP-7 --compliant true --ownership Company
  boundgate device set CPC-12 --system-label CloudPC
  boundgate device set KIOSK-1 --extension-attribute 3=kiosk`,
	}
	f := cmd.Flags()
	members := map[string]string{"edition": "edition", "profile-type": "profileType", "enrollment-profile": "enrollmentProfileName",
		"method": "registrationMethod", "ownership": "deviceOwnership", "model": "model", "manufacturer": "manufacturer", "mdm-app-id": "mdmAppId"}
	f.String("edition", "", "Server, SurfaceHub, TeamsRooms, or empty for an ordinary client")
	f.String("profile-type", "", "RegisteredDevice, SecureVM, Printer, Shared or IoT")
	f.String("enrollment-profile", "", "name of the enrolment profile")
	f.String("method", "", "how it was registered: interactive, bulkEnrollment, selfDeploying, vmExtension, cloudPC, azureVirtualDesktop, powerAutomate")
	f.String("ownership", "", "Company or Personal")
	f.String("model", "", "model")
	f.String("manufacturer", "", "manufacturer")
	f.String("mdm-app-id", "", "application id of the device management")
	f.StringSlice("system-label", nil, "system label, such as CloudPC (repeatable; replaces the list)")
	f.String("compliant", "", "true, false or unknown")
	f.String("managed", "", "true, false or unknown")
	f.StringSlice("extension-attribute", nil, "NUMBER=VALUE, with a number from 1 to 15 (repeatable)")
	cmd.RunE = a.run(func(ctx context.Context, c *client, args []string) error {
		body := map[string]any{}
		for flag, member := range members {
			if f.Changed(flag) {
				body[member], _ = f.GetString(flag)
			}
		}
		if f.Changed("system-label") {
			labels, err := f.GetStringSlice("system-label")
			if err != nil {
				return err
			}
			body["systemLabels"] = labels
		}
		if err := threeValuedFlags(cmd, body); err != nil {
			return err
		}
		if err := extensionFlags(cmd, body); err != nil {
			return err
		}
		if len(body) == 0 {
			return Usage(cmd, "nothing to set")
		}
		d, err := findDevice(ctx, c, args[0])
		if err != nil {
			return err
		}
		if err := c.graph(ctx, http.MethodPatch, path("devices", d.ID), body, nil); err != nil {
			return err
		}
		a.say("%s: changed", d.DisplayName)
		return nil
	})
	return cmd
}

func threeValuedFlags(cmd *cobra.Command, body map[string]any) error {
	for flag, member := range map[string]string{"compliant": "isCompliant", "managed": "isManaged"} {
		if !cmd.Flags().Changed(flag) {
			continue
		}
		text, err := cmd.Flags().GetString(flag)
		if err != nil {
			return err
		}
		if text == "unknown" {
			body[member] = nil
			continue
		}
		value, err := strconv.ParseBool(text)
		if err != nil {
			return Usage(cmd, "--%s is true, false or unknown, not %q", flag, text)
		}
		body[member] = value
	}
	return nil
}

func extensionFlags(cmd *cobra.Command, body map[string]any) error {
	pairs, err := cmd.Flags().GetStringSlice("extension-attribute")
	if err != nil || len(pairs) == 0 {
		return err
	}
	attributes := map[string]string{}
	for _, pair := range pairs {
		number, value, ok := strings.Cut(pair, "=")
		if n, err := strconv.Atoi(number); !ok || err != nil || n < 1 || n > 15 {
			return Usage(cmd, "--extension-attribute is NUMBER=VALUE with a number from 1 to 15, not %q", pair)
		}
		attributes["extensionAttribute"+number] = value
	}
	body["extensionAttributes"] = attributes
	return nil
}

func (a *app) deviceSwitch(use, short string, enabled bool) *cobra.Command {
	return &cobra.Command{
		Use: use + " DEVICE", Short: short, Example: "  boundgate device " + use + " LAPTOP-7", Args: arguments("DEVICE"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			d, err := findDevice(ctx, c, args[0])
			if err != nil {
				return err
			}
			if err := c.graph(ctx, http.MethodPatch, path("devices", d.ID), map[string]any{"accountEnabled": enabled}, nil); err != nil {
				return err
			}
			a.say("%s: %sd", d.DisplayName, use)
			return nil
		}),
	}
}

func (a *app) deviceDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete DEVICE", Short: "Delete a device; its sessions end at once", Example: "  boundgate device delete LAPTOP-7", Args: arguments("DEVICE"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			d, err := findDevice(ctx, c, args[0])
			if err != nil {
				return err
			}
			if err := c.graph(ctx, http.MethodDelete, path("devices", d.ID), nil, nil); err != nil {
				return err
			}
			a.say("%s: deleted", d.DisplayName)
			return nil
		}),
	}
}

func (a *app) deviceCreate() *cobra.Command {
	var id, system, version, edition, sid, certificate string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create the synchronised object that a computer's hybrid join is matched to", Args: arguments("NAME"),
		Long: `Create the synchronised object that a computer's hybrid join is matched to: what the on-premises directory knows of the
computer, with the self-signed certificate that the computer wrote there (userCertificate) or its public key.`,
		Example: "  boundgate device create SRV-3 --os 'Windows Server' --os-version 10.0.20348.2402 --sid S-1-5-21-1-2-3-1104 --certificate srv-3.pem",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, args []string) error {
		if certificate == "" {
			return Usage(cmd, "--certificate is missing")
		}
		pem, err := os.ReadFile(certificate)
		if err != nil {
			return failure("name the file of the computer's certificate or public key", "cannot read --certificate: %v", err)
		}
		body := map[string]any{"displayName": args[0], "operatingSystem": system, "operatingSystemVersion": version,
			"edition": edition, "onPremisesSecurityIdentifier": sid, "userCertificate": string(pem)}
		if id != "" {
			body["deviceId"] = id
		}
		var d device
		if err := c.graph(ctx, http.MethodPost, "/devices", body, &d); err != nil {
			return err
		}
		return a.fields(d, "Device", d.DisplayName, "Device id", d.DeviceID, "Object id", d.ID)
	})
	f := cmd.Flags()
	f.StringVar(&id, "device-id", "", "the computer account's objectGUID (default: a new one)")
	f.StringVar(&system, "os", "Windows", "Windows or Windows Server")
	f.StringVar(&version, "os-version", "", "such as 10.0.22631.3593")
	f.StringVar(&edition, "edition", "", "Server, SurfaceHub, TeamsRooms, or empty for an ordinary client")
	f.StringVar(&sid, "sid", "", "the computer account's SID")
	f.StringVar(&certificate, "certificate", "", "file with the certificate or public key, PEM or base64")
	return cmd
}
