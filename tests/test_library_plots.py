"""The library's plots: what is where, what it is called, errors."""

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest

import jsae
from jsae.library import plots

mpl.use("Agg")


@pytest.fixture(scope="module")
def embedding() -> jsae.StateActionEmbedding:
    ids = np.arange(200)
    return jsae.fit((ids % 4, ids % 7, (ids + 1) % 4), action_size=2, state_size=3, epochs=2, progress=False)


@pytest.fixture(autouse=True)
def closed():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def test_points_of_the_plane_are_drawn_as_they_are(embedding: jsae.StateActionEmbedding) -> None:
    axes = jsae.plot_embedding(embedding)
    np.testing.assert_allclose(axes.collections[0].get_offsets(), embedding.action_vectors)
    assert axes.get_xlabel() == "E, dimension 1"
    assert axes.get_title() == "Actions embedded by JSAE"


def test_principal_components_by_hand() -> None:
    """Points on the line (1, 2, 2) t: the first component is 3 t, with the whole variance; the second is 0."""
    steps = np.array([-1.0, 0.0, 2.0, 3.0])
    points, (first, second) = plots.in_the_plane(steps[:, None] * [1.0, 2.0, 2.0], "E")
    np.testing.assert_allclose(points, np.column_stack([3 * (steps - 1), np.zeros(4)]), atol=1e-12)
    assert first == "E, component 1 (100% of the variance)"
    assert second == "E, component 2 (0% of the variance)"


def test_one_dimension_lies_on_a_line() -> None:
    points, names = plots.in_the_plane(np.array([[0.5], [-0.5]]), "E")
    assert points.tolist() == [[0.5, 0.0], [-0.5, 0.0]]
    assert names == ("E, dimension 1", "")


def test_numbers_get_a_colour_bar_and_names_a_legend(embedding: jsae.StateActionEmbedding) -> None:
    numbers = jsae.plot_embedding(embedding, labels=np.arange(7) * 10.0)
    assert numbers.collections[0].get_array().tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert len(numbers.figure.axes) == 2
    named = jsae.plot_embedding(embedding, labels=["even", "odd"] * 3 + ["even"])
    assert [text.get_text() for text in named.get_legend().get_texts()] == ["even", "odd"]
    assert [len(points.get_offsets()) for points in named.collections] == [4, 3]


def test_states_are_drawn_into_axes_that_are_given(embedding: jsae.StateActionEmbedding) -> None:
    from matplotlib import pyplot

    _, own = pyplot.subplots()
    assert jsae.plot_embedding(embedding, of="states", ax=own) is own
    assert len(own.collections[0].get_offsets()) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": [1, 2]}, r"labels: shape \[2\]; give one for each of the 7 actions"),
        ({"of": "rewards"}, r"of = 'rewards': give 'actions' or 'states'"),
    ],
)
def test_wrong_arguments_are_named(embedding: jsae.StateActionEmbedding, arguments, message) -> None:
    with pytest.raises(jsae.JsaeError, match=message):
        jsae.plot_embedding(embedding, **arguments)


def test_too_many_names_are_refused() -> None:
    ids = np.arange(60)
    many = jsae.fit((ids % 4, ids % 20, (ids + 1) % 4), epochs=1, progress=False)
    with pytest.raises(jsae.JsaeError, match="labels: 20 different names, at most 12 colours"):
        jsae.plot_embedding(many, labels=[f"action {i}" for i in range(20)])


def curves(**columns) -> pl.DataFrame:
    """Two seeds, three epochs of 100 steps: returns 1, 2, 3 and 3, 4, 5."""
    rows = {
        "seed": [0, 0, 0, 1, 1, 1],
        "epoch": [1, 2, 3] * 2,
        "env_steps": [100, 200, 300] * 2,
        "mean_return": [1.0, 2.0, 3.0, 3.0, 4.0, 5.0],
    }
    return pl.DataFrame(rows | columns)


def lines_of(axes) -> dict[str, list[tuple[float, float]]]:
    return {str(line.get_label()): line.get_xydata().tolist() for line in axes.lines}


def test_a_curve_is_the_mean_over_seeds() -> None:
    axes = jsae.plot_curves(curves())
    assert lines_of(axes)["n = 2"] == [[100, 2], [200, 3], [300, 4]]
    assert len(axes.lines) == 3  # with each seed
    assert axes.get_xlabel() == "Environment steps"
    assert axes.get_ylabel() == "Average return, last 10 episodes"


def test_any_column_of_numbers_can_be_the_horizontal_axis() -> None:
    axes = jsae.plot_curves(curves(seconds=[0.5, 1.5, 2.5] * 2), x="seconds")
    assert lines_of(axes)["n = 2"] == [[0.5, 2], [1.5, 3], [2.5, 4]]
    assert axes.get_xlabel() == "seconds"


def test_what_differs_gets_a_curve_each_by_its_name_and_colour() -> None:
    both = pl.concat([curves(embedding="jsae", agent="vpg"), curves(embedding="none", agent="vpg")], how="vertical")
    axes = jsae.plot_curves(both, x="epoch")
    assert {"JSAE (n = 2)", "no embedding (n = 2)"} <= lines_of(axes).keys()
    assert [line.get_color() for line in axes.lines if line.get_label() == "JSAE (n = 2)"] == ["#0072B2"]
    other = jsae.plot_curves(both.with_columns(task=pl.lit("mine")), hue="task")
    assert "mine (n = 2)" in lines_of(other)


def test_one_seed_needs_no_column_and_no_band() -> None:
    axes = jsae.plot_curves({"epoch": [1, 2], "mean_return": [0.0, 5.0]})
    assert lines_of(axes) == {"n = 1": [[1, 0], [2, 5]]}
    assert not axes.collections


def test_long_curves_are_means_of_blocks_by_hand() -> None:
    """500 epochs are 250 blocks of two: the first ends at epoch 2 with the mean of 1 and 2."""
    epochs = np.arange(1, 501)
    points = plots.in_blocks(
        pl.DataFrame({"seed": 0, "epoch": epochs, "mean_return": epochs * 1.0}), "epoch", "mean_return"
    )
    assert len(points) == 250
    assert points.row(0) == (0, 2, 1.5)
    assert points.row(-1) == (0, 500, 499.5)


@pytest.mark.parametrize(
    ("table", "arguments", "message"),
    [
        (curves().drop("mean_return"), {}, "table has no column mean_return; it has seed, epoch, env_steps"),
        (curves(), {"hue": "agent"}, "table has no column agent"),
        (curves(agent="vpg"), {"y": "agent"}, "table, column agent: holds String, not numbers"),
        (curves(agent="vpg"), {"x": "agent"}, "table, column agent: holds String, not numbers"),
        (curves().clear(), {}, "table has no rows"),
    ],
)
def test_a_table_that_will_not_do_is_an_error(table, arguments, message) -> None:
    with pytest.raises(jsae.JsaeError, match=message):
        jsae.plot_curves(table, **arguments)


def test_a_missing_package_is_named(embedding: jsae.StateActionEmbedding, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str) -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module.split(".")[0])

    monkeypatch.setattr(plots.importlib, "import_module", missing)
    with pytest.raises(
        jsae.JsaeError, match=r"plots need matplotlib, which is not installed: pip install 'jsae\[plots\]'"
    ):
        jsae.plot_embedding(embedding)
