// What is used of client-node, in a module of its own: it has a thousand of them, most of them models. Whoever names no cluster does not wait for those, and the
// bundle carries what this one names.
export { KubeConfig } from "@kubernetes/client-node";
