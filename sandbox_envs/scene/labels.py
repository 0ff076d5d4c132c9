"""The causal labels that a scene may declare for its proxies. Needs no MuJoCo."""

POSITIONAL = "positional"  # of neither causal kind: neither raises the other
# what is true of a proxy with each label; the first two are those of Hubinger et al. (2019, 4.2)
CAUSAL_LABELS = {
    "side-effect": "raising the proxy raises the intended measure",
    "instrumental": "raising the intended measure is the means to raise the proxy",
    POSITIONAL: "the proxy is to be at a place at which the intended measure mostly rises",
}
