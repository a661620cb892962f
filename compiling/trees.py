"""The trees that scikit-learn has fitted, whichever estimator they are in."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

TREES = (DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor)
FORESTS = (RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor)
BOOSTED = (GradientBoostingClassifier, GradientBoostingRegressor)
HISTOGRAM = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
ENSEMBLES = (*TREES, *FORESTS, *BOOSTED, *HISTOGRAM)


class Tree(NamedTuple):
    """
    One tree, an entry for each node; *left* and *right* are places of nodes, and of no meaning in a leaf.

    *values* are the leaves' (nodes, outputs), added from *output* on to what the other trees say.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_left: NDArray[np.int64]
    is_leaf: NDArray[np.bool_]
    values: NDArray[np.float64]
    output: int = 0


class Ensemble(NamedTuple):
    """
    Trees whose sum, begun with *start* and divided by *divisor*, is what the estimator makes its answer of.

    *single* tells that the estimator rounds its input to single precision before it compares.
    """

    trees: Sequence[Tree]
    start: NDArray[np.float64]
    divisor: float = 1.0
    single: bool = True

    @property
    def outputs(self) -> int:
        """Return how many sums there are for each row."""
        return max(int(tree.output + tree.values.shape[1]) for tree in self.trees)


def ensemble_of(estimator: Any) -> Ensemble:
    """Return the trees of a fitted estimator; raise `NotImplementedError` for what ONNX has no words for."""
    if isinstance(estimator, HISTOGRAM):
        return histogram_ensemble(estimator)
    if isinstance(estimator, BOOSTED):
        return boosted_ensemble(estimator)
    if estimator.n_outputs_ > 1:
        raise NotImplementedError("a tree or a forest with several targets")
    members = estimator.estimators_ if isinstance(estimator, FORESTS) else [estimator]
    trees = [tree_from(member.tree_) for member in members]
    return Ensemble(trees, np.zeros(trees[0].values.shape[1]), float(len(trees)))


def tree_from(tree: Any, scale: float = 1.0, output: int = 0) -> Tree:
    """Return what scikit-learn's own tree says, its values multiplied by *scale*."""
    return Tree(
        feature=np.maximum(tree.feature, 0).astype(np.int64),
        threshold=tree.threshold.astype(np.float64),
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        missing_left=tree.missing_go_to_left.astype(np.int64),
        is_leaf=tree.children_left == -1,
        values=tree.value[:, 0, :] * scale,
        output=output,
    )


def boosted_ensemble(estimator: Any) -> Ensemble:
    """Return the trees of gradient boosting, multiplied by the learning rate, and the constant that it starts with."""
    if estimator.init is not None and estimator.init != "zero":
        raise NotImplementedError("gradient boosting that starts with another estimator (init)")
    stages = estimator.estimators_
    trees = [
        tree_from(stages[number, output].tree_, estimator.learning_rate, output)
        for number in range(stages.shape[0])
        for output in range(stages.shape[1])
    ]
    anywhere = np.zeros((1, estimator.n_features_in_), dtype=np.float32)
    return Ensemble(trees, estimator._raw_predict_init(anywhere).ravel())  # noqa: SLF001 - nothing public says it


def histogram_ensemble(estimator: Any) -> Ensemble:
    """Return the trees of histogram gradient boosting, which compares in double precision."""
    if estimator.is_categorical_ is not None and np.any(estimator.is_categorical_):
        raise NotImplementedError("histogram gradient boosting that splits categories itself; encode them before it")
    trees = [
        histogram_tree(predictor.nodes, output)
        for stage in estimator._predictors  # noqa: SLF001 - nothing public says it
        for output, predictor in enumerate(stage)
    ]
    start = np.ravel(estimator._baseline_prediction).astype(np.float64)  # noqa: SLF001
    return Ensemble(trees, start, single=False)


def histogram_tree(nodes: Any, output: int) -> Tree:
    """Return what a tree of histogram gradient boosting says."""
    return Tree(
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        missing_left=nodes["missing_go_to_left"].astype(np.int64),
        is_leaf=nodes["is_leaf"].astype(bool),
        values=nodes["value"].reshape(-1, 1).astype(np.float64),
        output=output,
    )
