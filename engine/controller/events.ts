// How does a decision become a Kubernetes event? The name of an event is made of the announcement's id, so that sending twice is refused by the API
// server instead of shown twice.
import type { Announcement } from "../../crds/status.ts";
import type { KubeApi, KubeObject, Log } from "../ports.ts";
import type { Place } from "./announce.ts";

const EVENTS = { group: "", version: "v1", plural: "events", kind: "Event" };

export function kubernetesEvents(api: KubeApi, log: Log, instance: string): Place {
  return {
    name: "events",
    wanted: () => true,
    givesUp: false,
    async send(canary, announcement) {
      const result = await api.create(EVENTS, eventOf(canary, announcement, instance));
      // A terminating namespace takes no events; nobody is left to read them.
      if (result.ok || result.fault.class === "exists" || result.fault.class === "not-found" || result.fault.class === "forbidden") return "sent";
      log.warn({ fault: result.fault.class, status: result.fault.status, announcement: announcement.id }, "event not sent");
      return "retry";
    },
  };
}

function eventOf(canary: KubeObject, announcement: Announcement, instance: string): KubeObject {
  const { name, namespace = "", uid = "" } = canary.metadata;
  const at = announcement.at.replace(/\.\d+Z$/, "Z");
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: `${name.slice(0, 200)}.${uid.slice(0, 8)}.${announcement.id}`, namespace },
    involvedObject: { apiVersion: canary.apiVersion, kind: canary.kind, name, namespace, uid },
    reason: announcement.reason,
    message: announcement.message,
    type: announcement.type,
    source: { component: "kurator-rollout" },
    reportingComponent: "rollout.kurator.dev/kurator-rollout",
    reportingInstance: instance,
    firstTimestamp: at,
    lastTimestamp: at,
    count: 1,
  };
}
