// How does Skipper say whether the canary does well? By the durations of the canary's routes, whose names are made of what the Ingress says. There is no
// percentile: durations are the mean.
import { countedQueries, mean, type BuiltinScope } from "./builtin.ts";

export const skipperQueries = countedQueries({
  requests: "skipper_response_duration_seconds_bucket",
  selector: routes,
  only: 'le="+Inf"',
  good: 'code!~"5.."',
  duration: mean("skipper_serve_route_duration_seconds"),
});

function routes({ namespace, ingress, apex }: BuiltinScope): string {
  const word = (text: string): string => text.replace(/\W/g, "_");
  return `route=~"kube(ew)?_${word(namespace)}__${word(ingress)}_canary__.*__${word(apex)}_canary(_[0-9]+)?"`;
}
