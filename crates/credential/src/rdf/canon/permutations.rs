//! The different orders of a list.

/// Puts the list into its next order, alphabetically; `false` after the last one.
///
/// From a sorted list on, this gives each order once, also where members are equal: Narayana
/// Pandita's algorithm.
pub(super) fn advance<T: Ord>(list: &mut [T]) -> bool {
    let Some(pivot) = list.windows(2).rposition(|pair| pair[0] < pair[1]) else {
        return false;
    };
    let Some(greater) = list.iter().rposition(|one| *one > list[pivot]) else {
        return false;
    };
    list.swap(pivot, greater);
    list[pivot + 1..].reverse();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_comes_once() {
        let mut list = [1, 1, 2, 2];
        let mut orders = vec![list];
        while advance(&mut list) {
            orders.push(list);
        }
        let all = [
            [1, 1, 2, 2],
            [1, 2, 1, 2],
            [1, 2, 2, 1],
            [2, 1, 1, 2],
            [2, 1, 2, 1],
            [2, 2, 1, 1],
        ];
        assert_eq!(orders, all);
        assert!(!advance(&mut [7, 7, 7]));
        assert!(!advance::<u8>(&mut []));
    }
}
