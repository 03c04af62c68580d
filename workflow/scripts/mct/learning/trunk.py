"""A net as trunk and head: the trunk is what depends on no parameter that learns.

Both models of a pair have the same trunk as long as they started from the same weights, so a pair
computes it once for each picture that both see.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx import Graph, GraphModule, Node, Tracer
from torch.nn.modules.batchnorm import _BatchNorm

from mct.base.errors import UserError
from mct.learning.parts import begin_training

RANDOM = ("drop", "stochastic")
"""Parts of the names of modules whose output is random while they train."""
Seen = tuple[Tensor, ...]
"""What a trunk hands on, each of shape (b, ...): normalised pictures where there is no trunk."""


class Net(Protocol):
    """A net in two steps; `weights` are tensors in place of its own, by its names."""

    def features(self, pictures: Tensor) -> Seen:
        """Return what the head needs of normalised pictures (b, 3, h, w), without gradient."""

    def logits(self, seen: Seen, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return logits (b, K)."""

    def digest(self) -> str:
        """Return a digest of the trunk, empty where there is none."""


class WholeNet:
    """A net that learns as a whole, or cannot be traced."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model

    def features(self, pictures: Tensor) -> Seen:
        return (pictures,)

    def logits(self, seen: Seen, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        return (
            self._model(*seen)
            if weights is None
            else functional_call(self._model, dict(weights), seen)
        )

    def digest(self) -> str:
        return ""


class SplitNet:
    """A net as two graphs, which use its own tensors."""

    def __init__(self, model: nn.Module, trunk: GraphModule, head: GraphModule) -> None:
        self._trunk, self._head = trunk, head
        names = {id(tensor): name for name, tensor in tensors_of(model)}
        self._names = {name: names[id(tensor)] for name, tensor in tensors_of(head)}

    @torch.no_grad()
    def features(self, pictures: Tensor) -> Seen:
        return self._trunk(pictures)

    def logits(self, seen: Seen, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        if weights is None:
            return self._head(*seen)
        own = {name: weights[of_net] for name, of_net in self._names.items() if of_net in weights}
        return functional_call(self._head, own, seen)

    def digest(self) -> str:
        digest = hashlib.sha256(self._trunk.code.encode())
        for _, tensor in tensors_of(self._trunk):
            digest.update(
                tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
            )
        return digest.hexdigest()


def tensors_of(model: nn.Module) -> chain[tuple[str, Tensor]]:
    """Return the parameters and buffers of a net by name."""
    return chain(model.named_parameters(), model.named_buffers())


def split(replica: nn.Module, model: nn.Module, train: Callable[[], None]) -> tuple[Net, Net]:
    """Return a net that learns, and `model`'s evaluation with other weights, divided at one place.

    `train` puts both into training mode, in which they are left. Parameters without gradient are
    frozen. Whole where everything learns, where the net cannot be traced, or where its two modes have
    other trunks.
    """
    train()
    whole = WholeNet(replica), WholeNet(model)
    if all(parameter.requires_grad for parameter in replica.parameters()):
        return whole
    traced = trace(replica)
    in_head = learning_nodes(traced) if traced else set()
    model.eval()
    other = trace(model)
    train()
    if traced is None or other is None:
        return whole
    handed_on = _handed_on(traced, in_head)
    in_other = nodes_after(other, [node.name for node in handed_on])
    is_other = _trunk_calls(traced, in_head) != _trunk_calls(other, in_other)
    if is_other or not handed_on or any(map(is_shape, handed_on)):
        return whole
    return _cut(replica, traced, in_head), _cut(model, other, in_other)


def divide(model: nn.Module, name: str) -> tuple[Net, Net]:
    """Return a net in training and in evaluation, both divided where what learns begins.

    The model is left in evaluation mode. UserError for a net that cannot be divided.
    """
    nets = split(model, model, partial(begin_training, model, stores_statistics=False))
    model.eval()
    if isinstance(nets[0], WholeNet):
        raise UserError(
            f"images.feature_views: {name} cannot be divided into a frozen part and its classifier; "
            "set it to 0, or take another net"
        )
    return nets


class NetTracer(Tracer):
    """Traces a net; what timm says has a course that depends on its input is a node, as it is."""

    def __init__(self) -> None:
        timm = sys.modules.get("timm.models")
        super().__init__(autowrap_functions=tuple(timm.get_notrace_functions()) if timm else ())
        self._opaque = tuple(timm.get_notrace_modules()) if timm else ()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        is_known = isinstance(m, (_BatchNorm, *self._opaque))  # norms of ours look at their input
        return is_known or super().is_leaf_module(m, module_qualified_name)


def trace(model: nn.Module) -> GraphModule | None:
    """Return the graph of a net's forward pass; None for nets whose course depends on their input."""
    try:
        return GraphModule(model, NetTracer().trace(model))
    except Exception:  # whatever a net's own code raises for an input without values
        return None


def learning_nodes(traced: GraphModule) -> set[Node]:
    """Return the nodes that learn or are random, all that depend on them, and the output."""
    found: set[Node] = set()
    for node in traced.graph.nodes:
        depends = node.op == "output" or not found.isdisjoint(node.all_input_nodes)
        if depends or _learns(traced, node) or _is_random(traced, node):
            found.add(node)
    return found


def nodes_after(traced: GraphModule, names: list[str]) -> set[Node]:
    """Return the nodes that depend on those of given names, and the output."""
    found: set[Node] = set()
    for node in traced.graph.nodes:
        depends = any(each in found or each.name in names for each in node.all_input_nodes)
        if node.op == "output" or (depends and node.name not in names):
            found.add(node)
    return found


def _learns(traced: GraphModule, node: Node) -> bool:
    if node.op == "call_module":
        return any(p.requires_grad for p in traced.get_submodule(str(node.target)).parameters())
    if node.op != "get_attr":
        return False
    owner, _, name = str(node.target).rpartition(".")
    return getattr(traced.get_submodule(owner), name).requires_grad


def _is_random(traced: GraphModule, node: Node) -> bool:
    if node.op == "call_module":
        modules = traced.get_submodule(str(node.target)).modules()
        return any(
            m.training and any(p in type(m).__name__.lower() for p in RANDOM) for m in modules
        )
    return bool(node.kwargs.get("training", False))


def is_shape(node: Node) -> bool:
    """Return whether a node is a number or a shape, which is no tensor with a row for each picture."""
    if node.op == "call_function" and node.target is getattr:
        return True
    if node.op == "call_method" and node.target in ("size", "dim"):
        return True
    inputs = node.all_input_nodes
    return node.op == "call_function" and bool(inputs) and all(map(is_shape, inputs))


def pictured_nodes(traced: GraphModule) -> set[Node]:
    """Return the nodes that depend on the pictures; all others are constants."""
    found: set[Node] = set()
    for node in traced.graph.nodes:
        if node.op == "placeholder" or not found.isdisjoint(node.all_input_nodes):
            found.add(node)
    return found


def _handed_on(traced: GraphModule, head: set[Node]) -> list[Node]:
    """Return the nodes of the trunk that the head uses."""
    return [
        n for n in traced.graph.nodes if n in _trunk(traced, head) and not head.isdisjoint(n.users)
    ]


def _trunk(traced: GraphModule, head: set[Node]) -> set[Node]:
    return pictured_nodes(traced) - head


def _trunk_calls(traced: GraphModule, head: set[Node]) -> list[tuple[str, str, bool]]:
    """Return what the trunk calls, and which of it the head uses."""
    trunk = _trunk(traced, head)
    return [
        (node.op, str(node.target), not head.isdisjoint(node.users))
        for node in traced.graph.nodes
        if node in trunk
    ]


def _cut(model: nn.Module, traced: GraphModule, in_head: set[Node]) -> SplitNet:
    """Return a net as two graphs; a constant is in those that use it."""
    pictured, handed_on = pictured_nodes(traced), _handed_on(traced, in_head)
    trunk, head = Graph(), Graph()
    in_trunk: dict[Node, Node] = {}
    copies = {node: head.placeholder(node.name) for node in handed_on}
    for node in traced.graph.nodes:
        if node not in in_head or (node not in pictured and node.op != "output"):
            in_trunk[node] = trunk.node_copy(node, in_trunk.__getitem__)
        if node in in_head or node not in pictured:
            copies[node] = head.node_copy(node, copies.__getitem__)
    trunk.output(tuple(in_trunk[node] for node in handed_on))
    return SplitNet(model, _used(traced, trunk), _used(traced, head))


def _used(root: GraphModule, graph: Graph) -> GraphModule:
    """Return a graph with what it needs of `root`, without what it calls for nothing."""
    module = GraphModule(root, graph)
    module.graph.eliminate_dead_code()
    return GraphModule(module, module.graph)
