// Which HTTP routes make up what users get? One weighted route, or several where some users are chosen, kept or let go. Every route beside the
// weighted one carries a name, by which it is recognised when it is read.
import { defined, isMap, list, map, text, without, type Json } from "../crds/json.ts";
import { sendsCookie, setCookies } from "./cookies.ts";
import type { RouteIntent } from "./router.ts";

export const NAMES = { matched: "canary-matched", rest: "canary-rest", stickyCanary: "canary-sticky", stickyPrimary: "primary-sticky", expired: "sticky-expired" } as const;
const OWN_NAMES: ReadonlySet<string> = new Set(Object.values(NAMES));

export interface HttpParts {
  /** Everything of a route but its match and where it leads. */
  base: Json;
  /** The two weighted destinations, primary first. */
  split: Json[];
  /** Conditions of all requests, of which one has to hold; none when there are none. */
  service: Json[];
}

export function httpRoutes(intent: RouteIntent, { base, split, service }: HttpParts): Json[] {
  const { spec, affinity } = intent;
  const plain = (match: Json[], route: Json[], more: Json = {}): Json => defined({ match: match.length === 0 ? undefined : match, ...base, ...more, route });
  const only = (kept: 0 | 1): Json[] => split.map((destination, index) => ({ ...destination, weight: index === kept ? 100 : 0 }));
  if (intent.scope === "matched") {
    const chosen = list(spec.analysis?.match).map(map);
    // The conditions are gone from the manifest: nobody is chosen any more.
    if (chosen.length === 0) return [plain(service, only(0))];
    return [{ name: NAMES.matched, ...plain(both(service, chosen), split) }, { name: NAMES.rest, ...plain(service, only(0).slice(0, 1)) }];
  }
  const mirrored = intent.mirror === true ? mirror(intent, split[1]) : {};
  if (affinity === undefined) return [plain(service, split, mirrored)];
  const sticky = (name: string, cookie: string, route: Json[]): Json => ({ name, ...plain(both(service, [{ headers: { Cookie: { regex: sendsCookie(cookie) } } }]), route) });
  const { canary, primary, expired } = affinity;
  const told = setCookies(spec, affinity);
  if (canary === undefined) {
    const forgotten = expired === undefined ? [] : [sticky(NAMES.expired, expired, split.map((destination) => withCookie(destination, told.expired)))];
    return [...forgotten, plain(service, split, mirrored)];
  }
  return [
    sticky(NAMES.stickyCanary, canary, only(1)),
    ...(primary === undefined ? [] : [sticky(NAMES.stickyPrimary, primary, only(0))]),
    plain(service, [withCookie(split[0], told.primary), withCookie(split[1], told.canary)], mirrored),
  ];
}

export type Split = { kind: "split"; route: Json[]; scope: "all" | "matched"; mirror: boolean } | { kind: "unclear"; why: string };

/** The route that holds the weights, and whom they speak of. */
export function splitOf(routes: readonly Json[], canary: string): Split {
  const named = (name: string): Json | undefined => routes.find((route) => route.name === name);
  const [matched, rest] = [named(NAMES.matched), named(NAMES.rest)];
  // Whoever believed the weights alone would take pods away that these still lead to.
  if ([NAMES.rest, NAMES.stickyPrimary, NAMES.expired].some((name) => leadsTo(named(name), canary))) return { kind: "unclear", why: `a route that is for the primary leads to ${canary}` };
  if (matched !== undefined && rest !== undefined && routes.length === 2) return { kind: "split", route: list(matched.route).map(map), scope: "matched", mirror: false };
  const others = routes.filter((route) => !OWN_NAMES.has(text(route.name) ?? ""));
  const [only] = others;
  if (matched !== undefined || rest !== undefined || only === undefined || others.length > 1) {
    return { kind: "unclear", why: `it has ${routes.length} http routes, where one should split all traffic` };
  }
  if (named(NAMES.stickyCanary) !== undefined && !leadsTo(only, canary)) return { kind: "unclear", why: `users are kept at ${canary}, which has no weight` };
  return { kind: "split", route: list(only.route).map(map), scope: "all", mirror: isMap(only.mirror) };
}

/** The route without what a run made of it: undefined for one that was made for a few users beside it. */
export function withoutRun(route: Json): Json | undefined {
  const name = text(route.name) ?? "";
  if (OWN_NAMES.has(name) && name !== NAMES.rest) return undefined;
  return without(route, ["mirror", "mirrorPercentage", ...(name === NAMES.rest ? ["name"] : [])]);
}

function leadsTo(route: Json | undefined, host: string): boolean {
  return list(route?.route).map(map).some((entry) => map(entry.destination).host === host && entry.weight !== 0);
}

/** Conditions of both lists at a time; where both name a header it has to be the first list's and the second's, which Istio cannot say, so the second's counts. */
function both(service: readonly Json[], chosen: readonly Json[]): Json[] {
  if (service.length === 0) return chosen.map((match) => ({ ...match }));
  return service.flatMap((outer) =>
    chosen.map((inner) => {
      const merged: Json = { ...outer };
      for (const key of ["headers", "queryParams", "sourceLabels"]) {
        const together = { ...map(outer[key]), ...map(inner[key]) };
        if (Object.keys(together).length > 0) merged[key] = together;
      }
      return merged;
    }),
  );
}

function mirror({ spec }: RouteIntent, canary: Json | undefined): Json {
  const weight = spec.analysis?.mirrorWeight;
  return defined({ mirror: map(canary?.destination), mirrorPercentage: weight === undefined ? undefined : { value: weight } });
}

function withCookie(destination: Json | undefined, cookie: string | undefined): Json {
  return { ...destination, ...(cookie === undefined ? {} : { headers: { response: { add: { "Set-Cookie": cookie } } } }) };
}
