// By which marks does the fleet know what it made? Kurator's own, so that what it left behind is taken over, and one beside them.
import type { KubeObject } from "../engine/ports.ts";

/** Label on everything that is made for an Application: its name. */
export const APP_LABEL = "apps.kurator.dev/app-name";
/** Label beside it: its namespace, because members are shared by all of them. */
export const APP_NAMESPACE_LABEL = "apps.kurator.dev/app-namespace";
/** Annotation on everything that is made in a member: the name of the policy. */
export const POLICY = "kurator.dev/rollout";
/** Annotation beside it: hash of what was rendered last. */
export const RENDERED = "apps.kurator.dev/rendered";
/** Annotation on what Flux is given: key of the member that it is for. */
export const CLUSTER_KEY = "apps.kurator.dev/cluster";
export const FINALIZER = "apps.kurator.dev";
/** Who asks the engine of a member to act. */
export const ACTOR = "fleet";

export interface AppName {
  namespace: string;
  name: string;
}

export function appText({ namespace, name }: AppName): string {
  return `${namespace}/${name}`;
}

export function labelsOf({ namespace, name }: AppName): Record<string, string> {
  return { [APP_LABEL]: name, [APP_NAMESPACE_LABEL]: namespace };
}

/** The Application that an object in a member was made for; undefined without the marks. Kurator's objects there name none. */
export function appOf({ metadata: { labels = {} } }: KubeObject): AppName | undefined {
  const [name, namespace] = [labels[APP_LABEL], labels[APP_NAMESPACE_LABEL]];
  return name === undefined || namespace === undefined ? undefined : { namespace, name };
}

/** Made by Kurator for some Application, which nobody can tell: whoever asks for it next has it. */
export function isOrphanOfKurator({ metadata: { labels = {}, annotations = {} } }: KubeObject): boolean {
  return annotations[POLICY] !== undefined && labels[APP_NAMESPACE_LABEL] === undefined;
}

/** What Kurator made for Flux is in the Application's own namespace, so its name is enough. */
export function isSyncOfKurator({ metadata: { namespace, labels = {} } }: KubeObject, app: AppName): boolean {
  return namespace === app.namespace && labels[APP_LABEL] === app.name;
}
