//! The transitions of an instance that moves to another node, and of its bindings.

use super::{Life, LifeError, Phase};
use crate::clock::Millis;
use crate::id::{NodeId, OperationId};
use crate::seal::Sealed;

impl Life {
    /// It shall go to `target`, as `operation` says: what was ordered of it before is not obeyed any
    /// more. Until it has arrived, `target` is among the garbage.
    ///
    /// # Errors
    ///
    /// [`LifeError`] unless it is there, or on its way.
    pub fn moving(
        &self,
        target: NodeId,
        operation: OperationId,
        deadline: Millis,
    ) -> Result<Self, LifeError> {
        if !matches!(self.phase, Phase::Ready | Phase::Moving) {
            return Err(LifeError { from: self.phase, to: Phase::Moving });
        }
        let mut life = self.clone();
        life.phase = Phase::Moving;
        life.renew_as(operation, deadline);
        if target != life.node {
            life.add_garbage(target);
        }
        Ok(life)
    }

    /// Its data is about to reach `target`.
    ///
    /// # Errors
    ///
    /// [`LifeError`] when it is not on its way.
    pub fn bound_for(&self, target: NodeId) -> Result<Self, LifeError> {
        let mut life = self.at(Phase::Moving, Phase::Moving)?;
        if target != life.node {
            life.add_garbage(target);
        }
        Ok(life)
    }

    /// It stays where it was, or goes back, as `operation` says: orders of the way there are not
    /// obeyed any more.
    ///
    /// # Errors
    ///
    /// [`LifeError`] when it is not on its way.
    pub fn returning(&self, operation: OperationId, deadline: Millis) -> Result<Self, LifeError> {
        let mut life = self.at(Phase::Moving, Phase::Moving)?;
        life.renew_as(operation, deadline);
        Ok(life)
    }

    /// It is on `target` now, with these credentials; the old node may still have something of it.
    ///
    /// # Errors
    ///
    /// [`LifeError`] when it is not on its way.
    pub fn arrived(&self, target: NodeId, credentials: Sealed) -> Result<Self, LifeError> {
        let mut life = self.at(Phase::Moving, Phase::Ready)?;
        life.phase = Phase::Ready;
        life.add_garbage(self.node.clone());
        life.garbage.retain(|dirty| *dirty != target);
        life.node = target;
        life.credentials = Some(credentials);
        Ok(life)
    }

    /// It is back: the node serves it again, with the credentials it had.
    ///
    /// # Errors
    ///
    /// [`LifeError`] when it is not on its way.
    pub fn returned(&self) -> Result<Self, LifeError> {
        let mut life = self.at(Phase::Moving, Phase::Ready)?;
        life.phase = Phase::Ready;
        Ok(life)
    }

    /// This binding's instance is on `target` now: so is the binding.
    ///
    /// # Errors
    ///
    /// [`LifeError`] unless the binding is there.
    pub fn followed(&self, target: NodeId, credentials: Sealed) -> Result<Self, LifeError> {
        let mut life = self.at(Phase::Ready, Phase::Ready)?;
        life.node = target;
        life.credentials = Some(credentials);
        Ok(life)
    }

    /// `node` got a copy of it that is not to be: while a binding was removed, its instance moved.
    #[must_use]
    pub fn stray(&self, node: NodeId, deadline: Millis) -> Self {
        let mut life = self.clone();
        life.phase = Phase::Deleting;
        life.add_garbage(node);
        life.renew(deadline);
        life
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Abandon;
    use crate::seal::SealKey;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn sealed() -> Sealed {
        SealKey::from_hex(&SealKey::random_hex()).unwrap().seal("x", &1).unwrap()
    }

    fn operation() -> OperationId {
        OperationId::derived(&["move", "1"])
    }

    fn intent() -> Life {
        Life::intent(node("n1"), Millis::from_millis(5), Abandon::Undo)
    }

    fn ready() -> Life {
        intent().ready(sealed()).unwrap()
    }

    #[test]
    fn an_instance_that_moved_leaves_the_old_node_as_garbage() {
        let moving = ready().moving(node("n2"), operation(), Millis::default()).unwrap();
        assert_eq!((moving.node.clone(), moving.generation.get()), (node("n1"), 2));
        assert_eq!((moving.garbage.clone(), &moving.operation), (vec![node("n2")], &operation()));
        assert!(!moving.is_left_over(Millis::from_millis(u64::MAX)));

        let arrived = moving.arrived(node("n2"), sealed()).unwrap();
        assert_eq!((arrived.phase, arrived.node.clone()), (Phase::Ready, node("n2")));
        assert_eq!(arrived.garbage, [node("n1")]);
        assert_eq!(arrived.generation, moving.generation);
    }

    #[test]
    fn an_instance_that_returned_leaves_the_target_as_garbage_and_fences_its_orders() {
        let moving = ready().moving(node("n2"), operation(), Millis::default()).unwrap();
        let back = moving.returning(operation(), Millis::default()).unwrap();
        assert_eq!((back.phase, back.generation.get()), (Phase::Moving, 3));
        let ready = back.returned().unwrap();
        assert_eq!((ready.phase, ready.node.clone()), (Phase::Ready, node("n1")));
        assert_eq!(ready.garbage, [node("n2")]);
        assert_eq!(ready.credentials, moving.credentials);
    }

    #[test]
    fn an_instance_that_moves_can_be_removed_from_both_nodes() {
        let moving = ready().moving(node("n2"), operation(), Millis::default()).unwrap();
        let going = moving.deleting(Millis::default()).unwrap();
        assert_eq!(going.garbage, [node("n2"), node("n1")]);
        assert!(going.arrived(node("n2"), sealed()).is_err());
        assert!(going.returned().is_err());
    }

    #[test]
    fn an_instance_is_recovered_on_its_own_node_without_garbage() {
        let moving = ready().moving(node("n1"), operation(), Millis::default()).unwrap();
        let arrived = moving.arrived(node("n1"), sealed()).unwrap();
        assert_eq!((arrived.node.clone(), arrived.garbage.len()), (node("n1"), 0));
    }

    #[test]
    fn a_second_move_of_an_instance_on_its_way_is_told_from_the_first() {
        let first = ready().moving(node("n2"), operation(), Millis::default()).unwrap();
        let other = OperationId::derived(&["move", "2"]);
        let second = first.moving(node("n3"), other.clone(), Millis::default()).unwrap();
        assert_eq!((second.generation.get(), second.operation.clone()), (3, other));
        assert_eq!(second.garbage, [node("n2"), node("n3")]);
    }

    #[test]
    fn only_what_is_there_moves() {
        assert!(intent().moving(node("n2"), operation(), Millis::default()).is_err());
        assert!(ready().returning(operation(), Millis::default()).is_err());
        assert!(ready().arrived(node("n2"), sealed()).is_err());
    }

    #[test]
    fn a_binding_follows_its_instance_or_is_cleaned_where_it_strayed() {
        let followed = ready().followed(node("n2"), sealed()).unwrap();
        assert_eq!((followed.node.clone(), followed.garbage.len()), (node("n2"), 0));
        let tomb = ready().deleting(Millis::default()).unwrap().cleaned(&node("n1"));
        assert!(tomb.followed(node("n2"), sealed()).is_err());
        let stray = tomb.stray(node("n2"), Millis::default());
        assert_eq!((stray.phase, stray.garbage.clone()), (Phase::Deleting, vec![node("n2")]));
        assert!(stray.generation > tomb.generation);
    }
}
