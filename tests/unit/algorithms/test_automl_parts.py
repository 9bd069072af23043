"""The parts of AutoML that need no process of their own."""

import time

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from modelyard.algorithms.automl.budget import Budget, process_age_seconds
from modelyard.algorithms.automl.children import run_in_child
from modelyard.algorithms.automl.errors import AutoMLInvalidError
from modelyard.algorithms.automl.judging.blending import blend
from modelyard.algorithms.automl.judging.folds import CrossValidation
from modelyard.algorithms.automl.judging.objectives import find_objective
from modelyard.algorithms.automl.profiling import profile
from modelyard.algorithms.automl.rows import load_rows
from modelyard.algorithms.automl.searchers import make_searcher
from modelyard.algorithms.automl.spaces import start, table_spaces
from modelyard.algorithms.automl.tasks.base import deal
from modelyard.algorithms.automl.tasks.catalog import open_subject
from modelyard.algorithms.automl.winning import varied
from modelyard.types.automl.recipes import AutoMLRecipe, AutoMLTask, CandidateSource
from modelyard.types.automl.reports import Candidate, CandidateStatus


def leaky(rows=1500):
    """ "paid" is known only after "churn"; some rows repeat, some contradict each other."""
    random = np.random.default_rng(1)
    lines = ["age,visits,paid,churn"]
    for _ in range(rows):
        churn = random.random() < 0.2
        age, visits = random.integers(18, 80), random.integers(0, 30)
        lines.append(f"{age},{visits},{int(not churn) * 100 + random.integers(0, 9)},{'yes' if churn else 'no'}")
    lines += [lines[-1]] * 3 + ["30,5,50,yes", "30,5,50,no"]
    return "\n".join(lines) + "\n"


def test_a_column_that_gives_the_target_away_is_suspected_and_contradictions_are_counted(workshop):
    channel = workshop.csv(leaky())
    rows = load_rows(channel, "churn", AutoMLTask.AUTO)
    found = profile(channel, rows, "churn", seed=0)
    assert found.leakage == ("paid",)
    assert any("'paid' alone tells nearly all" in warning for warning in found.warnings)
    assert (found.duplicate_rows >= 3, found.conflicting_rows) == (True, 2)
    assert found.classes["no"] > 0.7
    power = {column.name: column.power for column in found.columns}
    assert power["age"] < 0.2 < power["paid"]


@pytest.mark.parametrize(
    ("values", "task", "is_classifier"),
    [
        (["a", "b"] * 20, AutoMLTask.AUTO, True),
        ([0, 1, 2, 3] * 10, AutoMLTask.AUTO, True),
        ([*range(40)], AutoMLTask.AUTO, False),
        ([0.5, 1.25] * 20, AutoMLTask.AUTO, False),
        ([0, 1, 2, 3] * 10, AutoMLTask.REGRESSION, False),
    ],
)
def test_the_task_is_what_the_target_holds_unless_it_is_named(workshop, values, task, is_classifier):
    text = "x,y\n" + "\n".join(f"{i * 7 % 11},{value}" for i, value in enumerate(values)) + "\n"
    subject = open_subject(workshop.csv(text), "y", AutoMLRecipe(task=task))
    assert (subject.classes is not None) is is_classifier
    usual = {0: "rmse", 2: "roc_auc"}.get(len(subject.classes.values) if is_classifier else 0, "log_loss")
    assert find_objective("", subject).name == usual
    with pytest.raises(AutoMLInvalidError, match="no objective 'speed'"):
        find_objective("speed", subject)


def test_a_short_time_sees_one_of_each_kind_and_many_rows_wait_for_no_kernel_machine():
    families = [name.partition("-")[0] for name, _ in start(is_classifier=True)]
    assert families[:4] == ["linear", "forest", "kernel", "boosted"]
    families = [name.partition("-")[0] for name, _ in start(is_classifier=True, rows=20_000)]
    assert families[-2:] == ["kernel", "kernel"]
    assert "kernel" not in families[:-2]


def test_folds_share_every_class_and_rare_ones_train_only():
    target = np.array([0] * 50 + [1] * 10 + [2] * 3)
    fold, other = deal(target, 5, 2, seed=0)
    assert (fold != other).any(), "dealt anew"
    assert np.bincount(fold[target == 0]).tolist() == [10] * 5
    assert np.bincount(fold[target == 1]).tolist() == [2] * 5
    assert fold[target == 2].tolist() == [-1] * 3


def test_the_area_under_the_curve_is_scikit_learns(workshop):
    text = "x,y\n" + "\n".join(f"{i},{'ab'[i % 2]}" for i in range(60)) + "\n"
    objective = find_objective("roc_auc", open_subject(workshop.csv(text), "y", AutoMLRecipe()))
    random = np.random.default_rng(0)
    truth, scores = random.integers(0, 2, 200), np.round(random.random(200), 1)
    assert objective.score(truth, np.stack([1 - scores, scores], axis=1)) == pytest.approx(roc_auc_score(truth, scores))


def test_together_two_that_err_differently_beat_each_alone(workshop):
    text = "x,y\n" + "\n".join(f"{i * 13 % 97},{i * 31 % 101}.5" for i in range(200)) + "\n"
    subject = open_subject(workshop.csv(text), "y", AutoMLRecipe())
    fold, target = subject.deal(0), subject.target
    assert fold.shape == (3, len(target)), "few rows are dealt three times"
    noise = np.random.default_rng(0).normal(0, 10, fold.shape)
    answers = [(target + sign * noise)[..., None].astype(np.float32) for sign in (1, -1)]
    answers.append(np.full((*fold.shape, 1), target.mean(), dtype=np.float32))
    judges = CrossValidation(subject=subject, fold=fold, objective=find_objective("rmse", subject))
    found = blend(answers, judges, seed=0)
    assert found.weights == {0: 0.5, 1: 0.5}
    assert max(found.scores) < 1e-3


def test_answers_that_are_too_careful_are_made_surer_where_log_loss_decides(workshop):
    text = "x,y\n" + "\n".join(f"{i * 13 % 97},{'abc'[i % 3]}" for i in range(300)) + "\n"
    subject = open_subject(workshop.csv(text), "y", AutoMLRecipe())
    judges = CrossValidation(subject=subject, fold=subject.deal(0), objective=find_objective("log_loss", subject))
    random = np.random.default_rng(0)
    logits = 2 * np.eye(3)[subject.target] + random.normal(0, 1, (len(judges.fold), len(subject.target), 3))
    sure = np.exp(logits - logits.max(axis=2, keepdims=True)) ** 2
    sure /= sure.sum(axis=2, keepdims=True)
    careful = np.sqrt(sure)
    careful /= careful.sum(axis=2, keepdims=True)
    of_sure, of_careful = (blend([each.astype(np.float32)], judges, seed=0) for each in (sure, careful))
    assert of_careful.sharpness == pytest.approx(2 * of_sure.sharpness, rel=0.05)
    assert of_careful.scores == pytest.approx(of_sure.scores, rel=0.01)
    plain = [judges.objective.score(subject.target[judged], careful[r, judged]) for r, _, judged in judges.splits()]
    assert np.mean(of_careful.scores) < np.mean(plain)


def test_the_best_of_every_algorithm_may_be_in_an_ensemble():
    def candidate(number: int, algorithm: str) -> Candidate:
        status = CandidateStatus.COMPLETED
        return Candidate(number=number, algorithm=algorithm, hyperparameters={}, source="start", status=status)

    ranked = [*(candidate(number, "trees") for number in range(12)), candidate(12, "linear"), candidate(13, "linear")]
    assert [each.number for each in varied(ranked)] == [*range(9), 12]
    assert varied(ranked[:3]) == ranked[:3]


def test_work_in_a_child_gives_its_result_its_error_or_is_ended_in_time():
    assert run_in_child(lambda: 6 * 7, 30).value == 42
    assert run_in_child(lambda: 1 / 0, 30).message == "ZeroDivisionError: division by zero"
    begin = time.monotonic()
    assert run_in_child(lambda: time.sleep(60), 0.3).is_overdue
    assert time.monotonic() - begin < 20


def test_a_budget_counts_the_process_and_what_was_spent_before():
    now = [100.0]
    budget = Budget(60, spent_before=20, clock=lambda: now[0], age=5)
    now[0] += 10
    assert (budget.spent, budget.left) == (35, 25 - 0.15 * 5), "its end takes a part of what its start took"
    assert process_age_seconds() > 0


@pytest.mark.parametrize("source", [CandidateSource.BUILT_IN, CandidateSource.FLAML])
@pytest.mark.parametrize("algorithm", ["boosted-trees-regression", "forest-regression", "kernel-regression"])
def test_proposals_stay_inside_the_space_and_are_the_same_after_a_restart(source, algorithm):
    space = table_spaces(is_classifier=False)[algorithm]
    told = [
        (given, 1.0 + number) for number, (name, given) in enumerate(start(is_classifier=False)) if name == algorithm
    ]

    def proposals(known):
        searcher = make_searcher(source, space, seed=4)
        for given, loss in told + known:
            searcher.learn(given, loss, 0.1)
        made = []
        for number in range(6 - len(known)):
            given = searcher.propose()
            made.append(given)
            searcher.learn(given, 0.5 - 0.01 * (number + len(known)), 0.1)
        return made

    first = proposals([])
    for given in first:
        assert given.keys() == space.ranges.keys()
        for name, each in space.ranges.items():
            assert given[name] in each.values or each.low - 1e-6 <= given[name] <= each.high + 1e-6
    assert len({str(given) for given in first}) >= 4
    assert proposals([(given, 0.5 - 0.01 * number) for number, given in enumerate(first[:3])])
