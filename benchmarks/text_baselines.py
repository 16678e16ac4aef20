"""TF-IDF on the test tasks of a preset: a baseline that learns from no other task.

    pip install scikit-learn
    python benchmarks/text_baselines.py clinc150-intents [--set task.path=FILE]

The test tasks are those of `metatrain evaluate`. Features are words, pairs of words and parts of
words of 3 to 5 characters; inverse document frequencies are over the texts that a meta-learner has
seen too: the training texts and the support set of the task. For classes: logistic regression on
the support set, with the best of five strengths of regularization on validation tasks. For
matching: the cosine of a text and each candidate.
"""

from typing import Annotated, Any, NamedTuple

import numpy as np
import scipy.sparse
import typer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from orchestrator.config import schema as configuration
from orchestrator.evaluate import recipes
from orchestrator.outer.blocks import held_out_blocks
from workers.tasks.display_text import DisplayText
from workers.tasks.registry import make_family

_STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)
_VALIDATION_TASKS = 100


class Task(NamedTuple):
    """The texts of a task, and its targets."""

    words: DisplayText
    support_targets: Any
    query_targets: Any


class TermWeights:
    """TF-IDF: (1 + log count) * idf, words and parts of words each of length 1."""

    def __init__(self, texts: list[str], train: list[str]):
        """Count terms in `train`; `texts` are all texts, which give the terms their indices."""
        self._parts = []
        for options in ({"ngram_range": (1, 2)}, {"analyzer": "char_wb", "ngram_range": (3, 5)}):
            vectorizer = CountVectorizer(**options).fit(texts)
            self._parts.append((vectorizer, _frequencies(vectorizer.transform(train))))
        self._num_train = len(train)

    def vectors(self, support: list[str], texts: list[str]) -> Any:
        """Compute sparse vectors [texts, terms]; `support` counts beside the training texts."""
        parts = []
        for vectorizer, frequencies in self._parts:
            total = frequencies + _frequencies(vectorizer.transform(support))
            idf = np.log((1 + self._num_train + len(support)) / (1 + total)) + 1
            counts = vectorizer.transform(texts).astype(np.float64)
            counts.data = 1 + np.log(counts.data)
            parts.append(normalize(counts.multiply(idf).tocsr()))
        return scipy.sparse.hstack(parts).tocsr()


def main(preset: str, sets: Annotated[list[str], typer.Option("--set")] = []) -> None:  # noqa: B006
    """Print the scores."""
    config, _ = configuration.load(preset, sets)
    family: Any = make_family(config.task)
    tests = _tasks(config, family, "test", config.evaluation.tasks)
    if family.loss == "ranking":
        weights = TermWeights(_all_texts(tests), family.training_texts())
        scores = np.array([_cosine(weights, task) for task in tests])
        _show("TF-IDF cosine: accuracy", scores[:, 0])
        _show("TF-IDF cosine: mrr", scores[:, 1])
        return
    validation = _tasks(config, family, "validation", _VALIDATION_TASKS)
    weights = TermWeights(_all_texts([*validation, *tests]), family.training_texts())
    scored = {
        strength: np.mean([_regression(weights, strength, task) for task in validation])
        for strength in _STRENGTHS
    }
    best = max(scored, key=lambda strength: scored[strength])
    print({strength: round(float(score), 4) for strength, score in scored.items()})
    accuracies = np.array([_regression(weights, best, task) for task in tests])
    _show(f"TF-IDF + logistic regression (C = {best:g}): accuracy", accuracies)


def _tasks(config: Any, family: Any, split: Any, number: int) -> list[Task]:
    tasks = list[Task]()
    for block in held_out_blocks(config, family, split, number, recipes(config)[0]):
        episode = family.build(block.specs)
        rows = zip(
            family.display_text(block.specs),
            episode.support_targets,
            episode.query_targets,
            strict=True,
        )
        tasks += [Task(*row) for row in rows]
    return tasks


def _all_texts(tasks: list[Task]) -> list[str]:
    texts = set[str]()
    for words, *_ in tasks:
        texts |= {*words.support, *words.queries}
        texts |= {text for options in words.query_options for text in options}
    return sorted(texts)


def _frequencies(counts: Any) -> Any:
    """Count the texts that have each term."""
    return np.asarray((counts > 0).sum(axis=0)).ravel()


def _regression(weights: TermWeights, strength: float, task: Task) -> float:
    support = list(task.words.support)
    vectors = weights.vectors(support, [*support, *task.words.queries])
    used = np.unique(vectors.indices)  # a few of all terms
    dense = vectors[:, used].toarray()
    model = LogisticRegression(C=strength, max_iter=1000)
    model.fit(dense[: len(support)], task.support_targets)
    return float(np.mean(model.predict(dense[len(support) :]) == task.query_targets))


def _cosine(weights: TermWeights, task: Task) -> tuple[float, float]:
    words, right, ranks = task.words, [], []
    support = list(words.support)
    rows = zip(words.queries, words.query_options, task.query_targets, strict=True)
    for text, options, target in rows:
        vectors = weights.vectors(support, [text, *options])
        cosines = (vectors[1:] @ vectors[0].T).toarray()[:, 0]
        right.append(cosines.argmax() == target)
        ranks.append(1 / (cosines >= cosines[target]).sum())
    return float(np.mean(right)), float(np.mean(ranks))


def _show(name: str, scores: Any) -> None:
    error = 1.96 * np.std(scores, ddof=1) / np.sqrt(len(scores))
    print(f"{name} {np.mean(scores):.4f} ± {error:.4f} ({len(scores)} test tasks)")


if __name__ == "__main__":
    typer.run(main)
