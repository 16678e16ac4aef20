import numpy as np
import pytest

from workers.wire.tensors import (
    all_finite,
    from_vector,
    sha256,
    squared_norm,
    to_vector,
    tree_sum,
    tree_sum_of_vectors,
)

SHAPES = [(2, 3), (), (4,), (1, 2, 2), (0,)]
THETA = [np.float32([[1, -2], [0.5, 3]]), np.float32([0, 1e-3])]


def test_unpack_inverts_pack():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]
    vector = to_vector(arrays)
    assert vector.shape == (15,)
    assert vector.dtype == np.float32
    for back, array in zip(from_vector(vector, SHAPES), arrays, strict=True):
        assert back.shape == array.shape
        np.testing.assert_array_equal(back, array)


def test_pack_and_unpack_make_new_arrays():
    array = np.ones(3, np.float32)
    vector = to_vector([array])
    (back,) = from_vector(vector, [(3,)])
    vector[:] = 2
    assert array.tolist() == back.tolist() == [1, 1, 1]


def test_nothing_packs_to_nothing():
    assert to_vector([]).shape == (0,)
    assert to_vector([]).dtype == np.float32
    assert from_vector(to_vector([]), []) == []


@pytest.mark.parametrize(
    ("leaves", "tree"),
    [
        ("a", "a"),
        ("ab", "(a+b)"),
        ("abc", "((a+b)+c)"),
        ("abcd", "((a+b)+(c+d))"),
        ("abcde", "(((a+b)+(c+d))+e)"),
        ("abcdef", "(((a+b)+(c+d))+(e+f))"),
        ("abcdefg", "(((a+b)+(c+d))+((e+f)+g))"),
        ("abcdefgh", "(((a+b)+(c+d))+((e+f)+(g+h)))"),
        ("abcdefghi", "((((a+b)+(c+d))+((e+f)+(g+h)))+i)"),
    ],
)
def test_the_tree_has_this_shape_for_so_many_leaves(leaves, tree):
    assert tree_sum(list(leaves), lambda a, b: f"({a}+{b})") == tree


def test_tree_sum_leaves_its_leaves_alone():
    leaves = [np.ones(2, np.float32) for _ in range(5)]
    assert tree_sum(leaves, np.add).tolist() == [5, 5]
    assert len(leaves) == 5
    assert all(leaf.tolist() == [1, 1] for leaf in leaves)


def test_the_squared_norm_is_the_sum_of_squares_in_float64():
    vector = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    expected = np.sum(vector.astype(np.float64) ** 2)
    np.testing.assert_allclose(squared_norm(vector), expected, rtol=1e-14)
    assert squared_norm(np.full(9000, 1e25, np.float32)) == pytest.approx(9e53)
    assert squared_norm(np.zeros(0, np.float32)) == 0


def test_the_squared_norm_adds_chunks_of_4096_in_the_tree():
    """1 + 2^-53 rounds to 1, but 1 + 2^-52 does not: so the last bit tells the order."""
    vector = np.zeros(3 * 4096, np.float32)
    vector[0] = 1
    vector[8190:8192] = vector[8192:8194] = 2.0**-27
    assert squared_norm(vector) == 1, "numpy by itself would add the last two first"
    fourth = np.zeros(4096, np.float32)
    fourth[:2] = 2.0**-27
    assert squared_norm(np.concatenate([vector, fourth])) == 1 + 2.0**-52, "one by one gives 1"


def test_the_identity_of_theta_never_changes():
    assert sha256(THETA) == "7e7123a0d52e7023179042960377430c7e50883cb20efc93a202a8be39f7a918"
    assert sha256([w.astype(np.float64) for w in THETA]) == sha256(THETA)
    assert sha256([w.reshape(-1) for w in THETA]) == sha256(THETA)
    assert sha256(THETA[::-1]) != sha256(THETA)


@pytest.mark.parametrize("count", range(1, 18))
def test_vectors_are_summed_along_the_same_tree_and_stay_as_they_are(count):
    rng = np.random.default_rng(count)
    leaves = [
        (rng.normal(size=50) * 10.0 ** rng.integers(-4, 5, 50)).astype(np.float32)
        for _ in range(count)
    ]
    before = [leaf.tobytes() for leaf in leaves]
    total = tree_sum_of_vectors(leaves)
    assert total.tobytes() == tree_sum(leaves, np.add).tobytes()
    assert [leaf.tobytes() for leaf in leaves] == before
    assert count == 1 or all(total is not leaf for leaf in leaves)


BIG = np.float32(3e38)


@pytest.mark.parametrize(
    ("values", "finite"),
    [
        ([], True),
        ([1, -2, 0], True),
        ([BIG, BIG, -BIG], True),  # whose sum is not
        ([1, np.inf], False),
        ([np.inf, -np.inf], False),
        ([np.nan, 1], False),
    ],
)
def test_all_finite_is_about_the_elements_not_their_sum(values, finite):
    assert all_finite(np.array(values, np.float32)) is finite
