// Did the stored route really have the weights that a status calls applied? Keeps for the weights that were committed last whether the VirtualService has had
// them since, be it for an instant: a person may change it again before the engine has said so.
import type { CanaryStatus } from "../../crds/status.ts";

type Route = NonNullable<CanaryStatus["route"]>;

/** Where a VirtualService leads users, as far as a status speaks of it. */
export interface Led {
  /** The canary's share of those whom the route that leads most of them there is for: of everybody, or in A/B testing of those who match. */
  canaryWeight: number;
  /** Users are led to the primary by its own Service, and not by the apex as before there was a Canary. */
  primary: boolean;
  /** Requests are copied to the canary. */
  mirror: boolean;
}

export const NOWHERE: Led = { canaryWeight: 0, primary: false, mirror: false };

interface Destination {
  host?: string;
}

export function ledBy(spec: unknown): Led {
  const { http = [] } = (spec ?? {}) as { http?: { route?: { destination?: Destination; weight?: number }[]; mirror?: Destination }[] };
  const led = { ...NOWHERE };
  for (const { route = [], mirror } of http) {
    led.mirror ||= nameOf(mirror) === "app-canary";
    for (const { destination, weight } of route) {
      led.primary ||= nameOf(destination) === "app-primary";
      if (nameOf(destination) === "app-canary") led.canaryWeight = Math.max(led.canaryWeight, weight ?? (route.length === 1 ? 100 : 0));
    }
  }
  return led;
}

function nameOf(destination: Destination | undefined): string | undefined {
  return destination?.host?.split(".")[0];
}

export class ReadBack {
  private led: Led = NOWHERE;
  private status: Route | undefined;
  /** The route has had the weights of the status since they were committed. */
  private had = false;

  routed(led: Led): void {
    this.led = led;
    this.had ||= this.status !== undefined && isAsAsked(this.status, led);
  }

  /** @returns what is wrong about the route that a committed status has */
  committed(route: Route | undefined): string | undefined {
    const before = this.status;
    this.status = route;
    if (route === undefined) return undefined;
    if (before?.canaryWeight !== route.canaryWeight || before.mirror !== route.mirror) this.had = isAsAsked(route, this.led);
    const newly = route.appliedAt !== undefined && (route.appliedAt !== before?.appliedAt || before.canaryWeight !== route.canaryWeight || before.mirror !== route.mirror);
    return newly && !this.had ? `${JSON.stringify(route)} where the route has ${JSON.stringify(this.led)}` : undefined;
  }
}

function isAsAsked({ canaryWeight, primaryWeight, mirror }: Route, led: Led): boolean {
  return led.canaryWeight === canaryWeight && led.mirror === (mirror === true) && (led.primary || primaryWeight === 0);
}
