"""The losses against numbers worked by hand and against TRL's own code on the same logits."""

import math
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sharpen.train.losses import head_logprobs, imitation, policy_gradient, preference, reference_kl, token_logprobs

INF, NAN = float("inf"), float("nan")


def rows(*values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def bools(*values: list[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.bool)


# --- numbers worked by hand ---------------------------------------------------------------------


def test_token_logprobs_by_hand() -> None:
    # softmax of (0, ln 2, ln 5) is (1/8, 2/8, 5/8)
    logits = torch.tensor([0.0, math.log(2), math.log(5)]).expand(3, 3)
    got = token_logprobs(logits, torch.tensor([0, 1, 2]))
    assert got.tolist() == pytest.approx([math.log(1 / 8), math.log(2 / 8), math.log(5 / 8)])


def test_imitation_weighs_attempts_not_tokens() -> None:
    # (1 + 2 + 3) / 3 = 2 and 5 / 1 = 5; over tokens it would be 11 / 4
    loss = imitation(-rows([1, 2, 3], [5, 7, 7]), bools([1, 1, 1], [1, 0, 0]))
    assert loss.tolist() == pytest.approx([2.0, 5.0])


def test_preference_by_hand() -> None:
    # margin (-1 + 3) - (-4 + 2) = 4, beta 0.25: -ln sigmoid(1) = ln(1 + 1/e); a tie costs ln 2
    pair = torch.tensor
    loss = preference(pair([-1.0, 0]), pair([-4.0, 0]), pair([-3.0, 0]), pair([-2.0, 0]), beta=0.25)
    assert loss.tolist() == pytest.approx([math.log(1 + math.exp(-1)), math.log(2)])


@pytest.mark.parametrize(
    ("ratio", "advantage", "surrogate"),
    [
        (1.1, 2.0, 2.2),  # inside the range
        (1.5, 1.0, 1.3),  # gain capped at 1 + 0.3
        (1.5, -1.0, -1.5),  # a loss is never capped
        (0.5, -1.0, -0.8),  # capped at 1 - 0.2
        (0.5, 1.0, 0.5),
    ],
)
def test_policy_gradient_clips(ratio: float, advantage: float, surrogate: float) -> None:
    new = rows([math.log(ratio) - 1.0])
    loss = policy_gradient(new, rows([-1.0]), torch.tensor([advantage]), bools([1]), 0.2, 0.3)
    assert loss.item() == pytest.approx(-surrogate)


def test_policy_gradient_takes_an_advantage_per_token() -> None:
    same = rows([-1, -1, -1], [-1, -1, -1])
    mask = bools([1, 1, 0], [1, 1, 1])
    per_token = policy_gradient(same, same, rows([1, 3, 100], [1, -1, 3]), mask, 0.2, 0.2)
    assert per_token.tolist() == pytest.approx([-2.0, -1.0])
    per_sequence = policy_gradient(same, same, torch.tensor([2.0, -1.0]), mask, 0.2, 0.2)
    assert per_sequence.tolist() == pytest.approx([-2.0, 1.0])


def test_policy_gradient_on_policy_is_reinforce() -> None:
    # At ratio 1 the gradient of the loss in a log-probability is -advantage / tokens
    new = rows([-1, -2]).requires_grad_()
    policy_gradient(new, new, torch.tensor([3.0]), bools([1, 1]), 0.2, 0.2).sum().backward()
    assert new.grad is not None
    assert new.grad.tolist() == [pytest.approx([-1.5, -1.5])]


def test_reference_kl_by_hand() -> None:
    # r = ref / policy: 2 - ln 2 - 1, and 1/2 + ln 2 - 1; equal models cost nothing
    got = reference_kl(rows([0, math.log(2), -1]), rows([math.log(2), 0, -1]))
    assert got.tolist() == [pytest.approx([1 - math.log(2), math.log(2) - 0.5, 0.0])]


def test_only_the_policy_gets_a_gradient() -> None:
    new, fixed = rows([-1, -2]).requires_grad_(), rows([-2, -1]).requires_grad_()
    mask = bools([1, 1])
    (reference_kl(new, fixed) + policy_gradient(new, fixed, torch.ones(1), mask, 0.2, 0.2)).sum().backward()
    assert new.grad is not None
    assert fixed.grad is None


def test_reference_kl_is_unbiased() -> None:
    policy, ref = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.3, 0.3, 0.4])
    expected = (policy * (policy / ref).log()).sum()
    assert (policy * reference_kl(policy.log(), ref.log())).sum().item() == pytest.approx(expected.item())


# --- chunks, masks and banned tokens ------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (7,), (2, 7), (2, 3, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_chunks_change_neither_value_nor_gradient(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    logits = torch.randn(*shape, 11).to(dtype).requires_grad_()
    ids, weights = torch.randint(11, shape), torch.randn(shape)
    got = token_logprobs(logits, ids, chunk=33)  # three rows at a time
    (gradient,) = torch.autograd.grad((got * weights).sum(), logits)
    exact = logits.detach().float().requires_grad_()
    want = exact.log_softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    (wanted,) = torch.autograd.grad((want * weights).sum(), exact)
    assert got.dtype == torch.float32
    assert gradient.dtype == dtype
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(gradient, wanted.to(dtype))


def test_the_head_in_pieces_gives_the_same_and_holds_no_whole_logits() -> None:
    torch.manual_seed(0)
    weight, hidden = torch.randn(50, 8, requires_grad=True), torch.randn(13, 8, requires_grad=True)
    ids, sizes = torch.randint(50, (13,)), list[int]()

    def head(some: Tensor) -> Tensor:
        sizes.append(len(some))
        return some @ weight.t()

    found: list[list[Tensor]] = []
    for chunk in (10**6, 200):
        value = head_logprobs(head, hidden, ids, chunk=chunk)
        value.square().sum().backward()
        gradients = [g for p in (weight, hidden) if (g := p.grad) is not None]
        found.append([value.detach(), *(g.clone() for g in gradients)])
        weight.grad = hidden.grad = None
    for whole, pieces in zip(*found, strict=True):
        torch.testing.assert_close(whole, pieces)
    assert sizes[:2] == [1, 13]
    assert max(sizes[2:]) == 4  # 200 logits at once, forward and backward


def test_shifted_logits_are_read_in_place() -> None:
    logits = torch.randn(2, 5, 11)
    ids = torch.randint(11, (2, 4))
    want = logits[:, :-1].log_softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(token_logprobs(logits[:, :-1], ids, chunk=22), want)


def test_no_second_float32_tensor_of_tokens_by_vocabulary() -> None:
    largest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            if isinstance(out, Tensor) and out.dtype == torch.float32:
                largest = max(largest, out.numel())
            return out

    logits = torch.randn(2, 8, 1000).bfloat16().requires_grad_()
    with Watch():
        token_logprobs(logits, torch.zeros(2, 8, dtype=torch.long), chunk=2000).sum().backward()
    assert 0 < largest <= 2000


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 5, 11\).*\(2, 4\)"):
        token_logprobs(torch.zeros(2, 5, 11), torch.zeros(2, 4, dtype=torch.long))


def all_losses(new: Tensor, old: Tensor, mask: Tensor) -> list[Tensor]:
    advantages = torch.tensor([1.0, -2.0])
    kl = reference_kl(new, old, mask)
    return [imitation(new, mask), policy_gradient(new, old, advantages, mask, 0.2, 0.2), kl.sum(-1)]


@pytest.mark.parametrize("junk", [0.0, -50.0, -INF, INF, NAN])
def test_a_masked_token_changes_neither_loss_nor_gradient(junk: float) -> None:
    mask = bools([1, 1, 0], [1, 0, 0])
    clean = rows([-1, -2, -3], [-1, -2, -3])
    old = clean + 0.1
    want = all_losses(clean, old, mask)
    spoilt = torch.where(mask, clean, torch.tensor(junk)).requires_grad_()
    got = all_losses(spoilt, torch.where(mask, old, torch.tensor(junk)), mask)
    for g, w in zip(got, want, strict=True):
        torch.testing.assert_close(g, w)
        (gradient,) = torch.autograd.grad(g.sum(), spoilt, retain_graph=True)
        assert gradient.isfinite().all()
        assert (gradient[~mask] == 0).all()
        assert (gradient[mask] != 0).all()


def test_a_sequence_with_nothing_trained_is_zero() -> None:
    new = rows([-1, -2], [-1, -2]).requires_grad_()
    for loss in all_losses(new, new, bools([0, 0], [0, 0])):
        assert loss.tolist() == [0.0, 0.0]
        (gradient,) = torch.autograd.grad(loss.sum(), new, retain_graph=True)
        assert (gradient == 0).all()


def test_banned_tokens_give_finite_losses_and_gradients() -> None:
    logits = torch.randn(2, 3, 5)
    logits[..., 4] = -INF  # banned everywhere
    logits[0, 2] = -INF  # a padding row banned throughout
    logits[1, 2] = NAN  # a padding row behind a fully masked attention row
    logits.requires_grad_()
    ids = torch.tensor([[0, 1, 4], [2, 4, 4]])  # a banned id only where the mask is False
    mask = bools([1, 1, 0], [1, 0, 0])
    new = token_logprobs(logits, ids, chunk=5)
    for loss in all_losses(new, new.detach() + 0.1, mask):
        (gradient,) = torch.autograd.grad(loss.sum(), logits, retain_graph=True)
        assert loss.isfinite().all()
        assert gradient.isfinite().all()
        assert (gradient[..., 4] == 0).all()
        assert (gradient[~mask] == 0).all()


def test_a_wild_ratio_keeps_the_gradient_finite() -> None:
    new = rows([0, 0], [0, 0]).requires_grad_()
    old = rows([-200, 0], [-200, 0])
    for loss in (*all_losses(new, old, bools([1, 1], [1, 1])), reference_kl(old.requires_grad_(), new)):
        gradients = torch.autograd.grad(loss.sum(), (new, old), retain_graph=True, allow_unused=True)
        assert loss.isfinite().all()
        assert all(g.isfinite().all() for g in gradients if g is not None)


# --- against TRL --------------------------------------------------------------------------------
#
# TRL's loss methods are called unbound, on a stand-in for the trainer and for the model's outputs, so
# that both sides see the same logits and no trainer or model need be built.

B, P, T, V = 4, 3, 6, 13


class Accelerator:
    """One process: nothing to gather."""

    device = torch.device("cpu")
    parallelism_config = None
    num_processes = 1

    def gather(self, x: Tensor) -> Tensor:
        return x

    gather_for_metrics = gather

    def reduce(self, x: Tensor, reduction: str) -> Tensor:
        return x


def trainer(**settings: Any) -> SimpleNamespace:
    return SimpleNamespace(
        model=SimpleNamespace(training=False),
        accelerator=Accelerator(),
        aux_loss_enabled=False,
        _metrics={"eval": defaultdict(list)},
        _total_train_tokens=0,
        **settings,
    )


class Case:
    """A batch of prompts of P tokens and responses of up to T, with logits for every position."""

    def __init__(self) -> None:
        pytest.importorskip("trl")
        torch.manual_seed(1)
        self.logits = torch.randn(B, P + T, V).mul(2).requires_grad_()
        self.ids = torch.randint(V, (B, P + T))
        lengths = torch.tensor([6, 2, 4, 1])
        self.mask = torch.arange(T) < lengths.unsqueeze(1)
        self.whole_mask = torch.cat([torch.zeros(B, P, dtype=torch.bool), self.mask], dim=1)
        self.advantages = torch.tensor([1.3, -0.7, 0.4, -1.0])
        base = self.ours().detach()
        self.old = base + 0.4 * torch.randn(B, T)
        self.ref = base + 0.5 * torch.randn(B, T)

    def ours(self) -> Tensor:
        """Log-probs of the T response tokens by our code."""
        return token_logprobs(self.logits[:, P - 1 : -1], self.ids[:, P:], chunk=5 * V)

    def outputs(self, **_: Any) -> SimpleNamespace:
        """What TRL's fused head returns: one entry per target position, zero where ignored."""
        from trl.trainer.utils import selective_log_softmax

        kept = self.whole_mask[:, 1:]
        logprobs = selective_log_softmax(self.logits[:, :-1], self.ids[:, 1:]) * kept
        zeros = torch.zeros_like(logprobs)
        return SimpleNamespace(
            log_probs=logprobs, entropy=zeros, mean_logits=zeros, is_top1=zeros.bool(), label_mask=kept
        )

    def agree(self, ours: Tensor, theirs: Tensor) -> None:
        """Same loss, same gradient in the logits."""
        assert ours.item() == pytest.approx(theirs.item(), abs=1e-4)
        (mine,) = torch.autograd.grad(ours, self.logits)
        (trl,) = torch.autograd.grad(theirs, self.logits)
        assert mine.abs().sum() > 0
        torch.testing.assert_close(mine, trl, atol=1e-4, rtol=1e-4)


def test_imitation_equals_trl_sft() -> None:
    case = Case()
    from trl.trainer.sft_trainer import SFTTrainer

    stand_in = trainer(
        compute_loss_func=None,
        label_smoother=None,
        args=SimpleNamespace(loss_type="nll", average_tokens_across_devices=False),
    )
    batch = {"input_ids": case.ids, "attention_mask": torch.ones_like(case.ids)}
    theirs = SFTTrainer.compute_loss(stand_in, case.outputs, batch)  # type: ignore[arg-type]
    # TRL weighs every token the same: weigh each attempt by its share of the tokens
    tokens = case.mask.sum(-1)
    ours = (imitation(case.ours(), case.mask) * tokens / tokens.sum()).sum()
    case.agree(ours, theirs)


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_preference_equals_trl_dpo(alpha: float) -> None:
    """Also with the chosen attempts' own loss beside it (RPO, arXiv 2404.19733), which TRL means over tokens."""
    case = Case()
    from trl.trainer.dpo_trainer import DPOTrainer

    beta = 0.3
    ref = (case.ref * case.mask).sum(-1)
    stand_in = trainer(
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=["sigmoid", "sft"],
        loss_weights=[1.0, alpha],
        use_weighting=False,
        beta=beta,
    )
    batch = {
        "input_ids": case.ids,
        "attention_mask": torch.ones_like(case.ids),
        "completion_mask": case.whole_mask.long(),
        "ref_chosen_logps": ref[:2],
        "ref_rejected_logps": ref[2:],
    }
    theirs = DPOTrainer._compute_loss(stand_in, case.outputs, batch, False)  # type: ignore[arg-type]
    sums = (case.ours() * case.mask).sum(-1)
    pair = preference(sums[:2], sums[2:], ref[:2], ref[2:], beta)
    tokens = case.mask[:2].sum(-1)
    nll = imitation(case.ours()[:2], case.mask[:2]) * tokens * 2 / tokens.sum()
    assert abs(pair.mean().item() - math.log(2)) > 0.01  # what any code has while the policy is the reference
    case.agree((pair + alpha * nll).mean(), theirs)


@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("per_token", [False, True])
def test_policy_gradient_and_kl_equal_trl_grpo(beta: float, per_token: bool) -> None:
    case = Case()
    from trl.trainer.grpo_trainer import GRPOTrainer

    advantages = torch.randn(B, T) if per_token else case.advantages
    logprobs = case.outputs().log_probs[:, -T:]
    stand_in = trainer(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logprobs, torch.zeros(B, T), None),
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        beta=beta,
        loss_type="grpo",
        epsilon_low=0.2,
        epsilon_high=0.28,
        use_vllm=False,
        _entropy_bonus_enabled=False,
        args=SimpleNamespace(delta=None, use_bias_correction_kl=False),
    )
    batch = {
        "prompt_ids": case.ids[:, :P],
        "prompt_mask": torch.ones(B, P),
        "completion_ids": case.ids[:, P:],
        "completion_mask": case.mask.long(),
        "advantages": advantages,
        "old_per_token_logps": case.old,
        "ref_per_token_logps": case.ref,
    }
    theirs = GRPOTrainer._compute_loss(stand_in, None, batch)  # type: ignore[arg-type]
    assert stand_in._metrics["eval"]["clip_ratio/region_mean"][0] > 0  # the case does clip
    new = case.ours()
    surrogate = policy_gradient(new, case.old, advantages, case.mask, 0.2, 0.28)
    # Adding beta x KL per token before the mean, as TRL does, is adding its per-sequence mean after
    kl = imitation(-reference_kl(new, case.ref, case.mask), case.mask)
    case.agree((surrogate + beta * kl).mean(), theirs)
