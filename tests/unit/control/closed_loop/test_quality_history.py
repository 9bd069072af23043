"""Quality over time: each stretch by itself, every metric, intervals that hold the value."""

from modelyard.control.feedback.history import QualityHistory


def test_each_stretch_of_time_has_its_own_metrics(world):
    history = QualityHistory(world.labelled, world.registry, world.endpoints, world.clock)
    world.label(world.traffic(300))
    world.clock.sleep(3600 - 300)
    world.label(world.traffic(300), is_right=False)
    world.clock.sleep(3600 - 300)
    points = history.points("default", "points", "2h", 2)
    accuracies = [point for point in points if point.metric == "accuracy"]
    assert [(point.value, point.n) for point in accuracies] == [(1.0, 300), (0.0, 300)]
    assert {point.metric for point in points} == {"accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc"}
    assert all(point.low - 1e-9 <= point.value <= point.high + 1e-9 for point in points)
    assert accuracies[0].low > 0.98
    assert history.points("default", "points", "60s", 3) == []
